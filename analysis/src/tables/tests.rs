use super::*;

const STYLES: [Style; 4] = [Style::Plain, Style::Markdown, Style::Latex, Style::Csv];

/// Every kind of column and cell, and letters that some style takes for its own.
fn all_kinds() -> Table {
    let columns = vec![
        Column::new("method", ColumnKind::Text),
        Column::brief("a|b_task", ColumnKind::Share),
        Column::new("mean", ColumnKind::Share),
        Column::new("difference", ColumnKind::Difference),
        Column::new("n", ColumnKind::Count),
        Column::new("took", ColumnKind::Seconds),
        Column::new("p", ColumnKind::Number),
        Column::new("what \"it\" says", ColumnKind::Text),
    ];
    let measured = |value, low, high, is_best| Cell::Measured { value, low: Some(low), high: Some(high), is_best };
    let first = vec![
        Cell::text("knots_ties"),
        measured(0.525, 0.5, 0.55, true),
        measured(0.6, 0.55, 0.65, true),
        measured(-0.0251, -0.04, -0.01, false),
        Cell::Count(1200),
        Cell::Number(12.345),
        Cell::Number(0.000_35),
        Cell::text("100 % of $x & y_{1}^2 <b>, \"quoted\"\nand a second line \\ ~"),
    ];
    let second = vec![
        Cell::text("a | name"),
        Cell::Number(1.0 / 3.0),
        Cell::Measured { value: 0.5, low: None, high: None, is_best: false },
        measured(0.00001, -0.001, 0.001, false),
        Cell::Empty,
        Cell::Number(f64::NAN),
        Cell::Number(1.0),
        Cell::Empty,
    ];
    Table {
        name: "kinds".to_owned(),
        title: "all kinds, in %".to_owned(),
        columns,
        rows: vec![TableRow { is_chosen: true, cells: first }, TableRow { is_chosen: false, cells: second }],
        notes: vec!["a note with 5 % in it".to_owned(), "warning: another".to_owned()],
    }
}

#[test]
fn every_style_shows_every_kind_of_cell() {
    let shown = STYLES.map(|style| format!("{style:?}\n\n{}", all_kinds().render(style)));
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn json_has_the_cells_as_they_are() {
    let json = serde_json::to_value(all_kinds()).unwrap();
    assert_eq!(json["columns"][1], serde_json::json!({"name": "a|b_task", "kind": "share", "is_brief": true}));
    let cells = &json["rows"][0]["cells"];
    assert_eq!((&cells[0], &cells[4], &cells[5]), (&"knots_ties".into(), &1200.into(), &12.345.into()));
    assert_eq!(cells[2], serde_json::json!({"value": 0.6, "low": 0.55, "high": 0.65, "best": true}));
    assert_eq!(json["rows"][1]["cells"][4], serde_json::Value::Null);
}

#[test]
fn long_words_are_wrapped_to_fit_a_terminal() {
    let mut table = all_kinds();
    table.rows[1].cells[7] = Cell::text("word ".repeat(40));
    let text = table.render(Style::Plain);
    assert!(text.lines().all(|line| line.chars().count() <= crate::wrap::WIDTH), "{text}");
    assert_eq!(text.matches("word").count(), 40, "{text}");
}

#[test]
fn a_table_without_rows_or_with_too_few_cells_is_no_reason_to_stop() {
    let mut table = all_kinds();
    table.rows[0].cells.truncate(2);
    table.rows[1].cells.clear();
    STYLES.iter().for_each(|style| assert!(table.render(*style).contains("knots"), "{style:?}"));
    table.rows.clear();
    STYLES.iter().for_each(|style| assert!(table.render(*style).contains("mean"), "{style:?}"));
    table.columns.clear();
    STYLES.iter().for_each(|style| drop(table.render(*style)));
}

#[test]
fn the_name_of_a_split_does_not_leave_the_folder() {
    assert_eq!(Table::name_of("accuracy", "../te st"), "accuracy-.._te_st");
}
