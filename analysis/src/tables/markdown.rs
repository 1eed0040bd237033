use super::{
    ColumnKind, Table,
    shown::{Margin, Shown},
};
use comfy_table::{CellAlignment, presets::ASCII_MARKDOWN};

/// Stands before the name of the chosen row.
const CHOSEN: char = '›';

/// The title, a table as GitHub has it, and a list of the notes.
pub(super) fn render(table: &Table) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(ASCII_MARKDOWN).set_header(table.columns.iter().map(|column| escaped(&column.name)));
    for row in &table.rows {
        let mut cells: Vec<String> =
            row.cells.iter().zip(&table.columns).map(|(cell, column)| cell_text(&Shown::new(cell, column))).collect();
        if let Some(first) = cells.first_mut().filter(|_| row.is_chosen) {
            *first = format!("{CHOSEN} {first}");
        }
        drawn.add_row(cells);
    }
    for (index, column) in table.columns.iter().enumerate() {
        if let Some(shown) = drawn.column_mut(index).filter(|_| column.kind != ColumnKind::Text) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
    }
    let aligned = with_alignment(&drawn.to_string(), table);
    let notes: Vec<String> = table.notes.iter().map(|note| format!("\n- {}", line(note))).collect();
    let between = if notes.is_empty() { "" } else { "\n" };
    format!("### {}\n\n{aligned}{between}{}\n", escaped(&table.title), notes.concat())
}

/// The table with colons where numbers are to stand on the right.
fn with_alignment(drawn: &str, table: &Table) -> String {
    let mut lines: Vec<String> = drawn.lines().map(str::to_owned).collect();
    if let Some(rule) = lines.get_mut(1) {
        let cells: Vec<String> = rule
            .trim_matches('|')
            .split('|')
            .zip(&table.columns)
            .map(|(dashes, column)| match column.kind {
                ColumnKind::Text => dashes.to_owned(),
                ColumnKind::Share
                | ColumnKind::Difference
                | ColumnKind::Count
                | ColumnKind::Seconds
                | ColumnKind::Number => format!("{}:", &dashes[..dashes.len().saturating_sub(1)]),
            })
            .collect();
        *rule = format!("|{}|", cells.join("|"));
    }
    lines.join("\n")
}

fn cell_text(shown: &Shown) -> String {
    let text = escaped(&shown.text);
    let text = if shown.is_best { format!("**{text}**") } else { text };
    match &shown.margin {
        None => text,
        Some(Margin::Half(half)) => format!("{text} ± {half}"),
        Some(Margin::Ends(low, high)) => format!("{text} [{low}, {high}]"),
    }
}

/// A name or an error may hold what ends a cell, or what would be taken for HTML.
fn escaped(text: &str) -> String {
    line(text).replace('|', "\\|")
}

fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ").replace('<', "&lt;")
}
