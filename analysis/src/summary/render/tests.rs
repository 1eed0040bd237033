use crate::{Style, Summary, testing::Made, wrap::WIDTH};
use std::collections::BTreeMap;

const EIGHT: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "emoji", "flags", "icons", "scripts"];

fn eight() -> Summary {
    let mut made = Made::new(&EIGHT);
    made.row("zero-shot", jobs::RowKind::ZeroShot, &[20, 30, 40, 10, 5, 0, 15, 25]);
    made.row("fine-tuned", jobs::RowKind::Finetuned, &[98, 90, 97, 85, 80, 75, 60, 100]);
    made.merge("sum", &[60, 70, 65, 50, 40, 30, 20, 55], None);
    made.merge("knots_ties, the search with a long name", &[70, 65, 75, 55, 45, 28, 25, 60], Some(&[0.1, 0.2, 0.3]));
    Summary::build(&made.outcome, &made.results, None)
}

fn small() -> Summary {
    let made = Made::small();
    Summary::build(&made.outcome, &made.results, None)
}

#[test]
fn a_small_table_reads_well() {
    insta::assert_snapshot!(small().render(Style::Plain));
}

#[test]
fn eight_tasks_fit_into_120_columns() {
    let text = eight().render(Style::Plain);
    let widest = text.lines().map(|line| line.chars().count()).max();
    assert!(widest.unwrap() <= WIDTH, "{widest:?}\n{text}");
    assert!(EIGHT.iter().all(|task| text.lines().nth(1).unwrap().contains(task)), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn narrow_terminals_get_the_columns_in_parts() {
    for width in [80, 55] {
        let text = eight().render_within(Style::Plain, width);
        let tables: Vec<&str> = text.lines().take_while(|line| !line.contains("is chosen")).collect();
        assert!(tables.iter().all(|line| line.chars().count() <= width), "{width}\n{text}");
        assert!(EIGHT.iter().all(|task| text.contains(task)), "no column is lost: {text}");
    }
    // A width that the whole table fits into changes nothing.
    assert_eq!(eight().render_within(Style::Plain, WIDTH), eight().render(Style::Plain));
}

#[test]
fn markdown_writes_names_out() {
    insta::assert_snapshot!(eight().render(Style::Markdown));
}

#[test]
fn a_terminal_shows_the_best_in_bold_and_in_the_same_columns() {
    let plain = small().render(Style::Plain);
    let terminal = small().render(Style::Terminal);
    assert!(terminal.contains("\u{1b}[1m60.0\u{1b}[0m"), "{terminal}");
    let bare = terminal.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    assert_eq!(bare, plain.replace('*', " "));
}

#[test]
fn joint_hits_have_a_table_of_their_own() {
    let mut made = Made::small();
    for result in made.results.found.values_mut() {
        for score in &mut result.scores {
            score.hits =
                BTreeMap::from([(1, score.correct), (3, score.correct + 10), (5, score.correct + 15), (10, 100)]);
        }
    }
    let text = Summary::build(&made.outcome, &made.results, None).render(Style::Plain);
    insta::assert_snapshot!(text);
}

#[test]
fn a_search_without_a_success_is_told() {
    let mut made = Made::small();
    made.fail_the_search();
    let text = Summary::build(&made.outcome, &made.results, None).render(Style::Plain);
    assert!(text.contains("knots_ties chose nothing: all of its points failed (3 of 3)"), "{text}");
    assert!(!text.contains('›') && !text.contains("scaling"), "{text}");
}

#[test]
fn ten_long_names_are_cut_to_fit_and_written_out_below() {
    let tasks: Vec<String> = (0..10).map(|i| format!("{i}_a_long_name_of_a_task")).collect();
    let names: Vec<&str> = tasks.iter().map(String::as_str).collect();
    let mut made = Made::new(&names);
    made.row("zero-shot", jobs::RowKind::ZeroShot, &[20; 10]);
    made.row("fine-tuned", jobs::RowKind::Finetuned, &[90; 10]);
    made.merge("ties", &[60; 10], Some(&[0.1, 0.3, 0.5]));
    let text = Summary::build(&made.outcome, &made.results, None).render(Style::Plain);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_name_does_not_end_a_cell_of_markdown() {
    let mut made = Made::new(&["a|b"]);
    made.row("fine-tuned", jobs::RowKind::Finetuned, &[80]);
    made.merge("ties | wide", &[60], Some(&[0.3]));
    let text = Summary::build(&made.outcome, &made.results, None).render(Style::Markdown);
    assert!(text.contains(r" a\|b |") && text.contains(r"| › ties \| wide |"), "{text}");
}
