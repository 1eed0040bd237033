use super::*;
use crate::{Lines, error_chain};

const TABLE: &str = "\
source: {paper: A paper, table: Table 1, url: \"arXiv:1234.56789\"}
metric: mean_normalised_accuracy
tasks: [mnist, icons]
rows:
  - method: KnOTS-TIES
    mean: 68.0
    tasks:
      mnist: 101.5
  - method: fine-tuned
    metric: mean_accuracy
    tasks: {mnist: 99.0}
    defects: {mnist: others measured 99.6}
  - method: ensemble
    hits: {1: 40.7}
";

fn refused(find: &str, replace: &str) -> (String, Option<usize>) {
    let text = TABLE.replace(find, replace);
    assert_ne!(text, TABLE);
    let error = PublishedFigures::from_yaml(&text).unwrap_err();
    let line = error.key().and_then(|key| Lines::of(&text, &[]).line(key));
    (error_chain(&error), line)
}

#[test]
fn a_table_of_a_paper_is_read_whole() {
    let figures = PublishedFigures::from_yaml(TABLE).unwrap();
    assert_eq!(figures.source.in_words(), "A paper, Table 1, arXiv:1234.56789");
    let row = figures.row("KnOTS-TIES").unwrap();
    assert_eq!((row.mean, row.tasks["mnist"]), (Some(68.0), 101.5));
    assert_eq!(figures.metric_of(row), Some(PublishedMetric::MeanNormalisedAccuracy));
    assert_eq!(figures.metric_of(figures.row("fine-tuned").unwrap()), Some(PublishedMetric::MeanAccuracy));
    assert_eq!(figures.row("ensemble").unwrap().hits.get(&1), Some(&40.7));
    assert!(figures.row("TIES").is_none());
}

#[test]
fn a_wrong_figure_is_named_with_its_key_and_line() {
    assert_eq!(
        refused("mnist: 101.5", "mnist: 201"),
        ("`rows[0].tasks.mnist` is 201, outside 0 to 200; published figures are in percent".to_owned(), Some(8))
    );
    assert_eq!(
        refused("{mnist: 99.0}", "{mnist: 101.0}"),
        ("`rows[1].tasks.mnist` is 101, outside 0 to 100; published figures are in percent".to_owned(), Some(11))
    );
    assert_eq!(
        refused("mean: 68.0", "mean: -1"),
        ("`rows[0].mean` is -1, outside 0 to 200; published figures are in percent".to_owned(), Some(6))
    );
    assert!(PublishedFigures::from_yaml(&TABLE.replace("mean: 68.0", "mean: .nan")).is_err());
    assert_eq!(
        refused("hits: {1: 40.7}", "hits: {2: 40.7}"),
        ("`rows[2].hits.2` is no k that is counted: use 1, 3, 5 or 10".to_owned(), Some(14))
    );
}

#[test]
fn a_wrong_name_is_named_with_its_key_and_line() {
    assert_eq!(
        refused("mnist: 101.5", "mnits: 101.5"),
        ("`rows[0].tasks.mnits` is about `mnits`, which `tasks` does not list".to_owned(), Some(8))
    );
    assert_eq!(
        refused("defects: {mnist", "defects: {flags"),
        ("`rows[1].defects.flags` is about `flags`, which `tasks` does not list".to_owned(), Some(12))
    );
    assert_eq!(
        refused("method: ensemble", "method: fine-tuned"),
        ("`rows[2]` has `fine-tuned` a second time".to_owned(), Some(13))
    );
    assert_eq!(
        refused("    mean: 68.0", "    meen: 68.0"),
        ("unknown key `rows[0].meen`; did you mean `mean`?".to_owned(), Some(6))
    );
    let (message, line) = refused("metric: mean_normalised_accuracy", "metric: normalized");
    assert!(message.starts_with("`metric` is `normalized`; expected "), "{message}");
    assert_eq!(line, Some(2));
}

#[test]
fn figures_that_cannot_be_compared_are_refused() {
    let (message, line) = refused("metric: mean_normalised_accuracy\n", "");
    assert!(
        message.starts_with("`rows[0]` has a mean or figures of tasks, and no `metric` says what they are"),
        "{message}"
    );
    assert_eq!(line, Some(4));
    let shares = TABLE.replace("68.0", "0.68").replace("101.5", "1.0").replace("99.0", "0.99").replace("40.7", "0.4");
    let error = PublishedFigures::from_yaml(&shares).unwrap_err().to_string();
    assert_eq!(error, "`rows` has no figure above 1: these look like shares, and published figures are in percent");
    assert_eq!(refused("    hits: {1: 40.7}\n", "").0, "`rows[2]` has no figure; give `mean`, `tasks` or `hits`");
}

#[test]
fn the_file_that_a_sweep_names_is_found_also_on_the_command_line() {
    let file = |text: &str, overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        reference_file(text, &overrides).unwrap()
    };
    assert_eq!(file("reference: a.yaml", &[]).as_deref(), Some("a.yaml"));
    assert_eq!(file("reference: a.yaml", &["reference=b.yaml"]).as_deref(), Some("b.yaml"));
    assert_eq!(file("reference: {rows: []}", &[]), None);
    assert_eq!(file("name: small", &[]), None);
}
