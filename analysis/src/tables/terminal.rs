mod names;

use super::{
    ColumnKind, Table,
    shown::{Margin, Shown},
};
use crate::wrap::{WIDTH, wrapped};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle};
use std::borrow::Cow;

/// The columns of a row's name.
const NAME: usize = 22;
/// The gap between columns where there is room.
const WIDEST_GAP: u16 = 3;
/// The columns that a head is not cut below.
const SHORTEST: usize = 6;
/// Stands before the name of the chosen row.
const CHOSEN: char = '›';
const BOLD: &str = "\u{1b}[1m";
const PLAIN_AGAIN: &str = "\u{1b}[0m";
/// Stands before a number that is the best of its column, until the table is laid out. No name has it.
const BEST: char = '\u{E000}';
const PLAIN: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The table in lines of `width` columns at most, as far as names and numbers allow it.
pub(super) fn render(table: &Table, is_terminal: bool, width: usize) -> String {
    let mut lines = vec![wrapped(&table.title, width)];
    for part in parts(table, width) {
        let Fitted { heads, text, .. } = fitting(&part, &cells(&part), width);
        lines.push(marked(&text, is_terminal));
        let cut: Vec<String> = heads
            .iter()
            .zip(&part.columns)
            .filter(|(head, column)| **head != column.name)
            .map(|(head, column)| format!("{head} {}", column.name))
            .collect();
        if !cut.is_empty() {
            lines.push(wrapped(&cut.join(", "), width));
        }
    }
    lines.extend(table.notes.iter().map(|note| wrapped(note, width)));
    lines.join("\n") + "\n"
}

/// The table, or parts of it that fit: each has the first column and some others. The usual width has no parts.
fn parts(table: &Table, width: usize) -> Vec<Cow<'_, Table>> {
    if width >= WIDTH || fitting(table, &cells(table), width).is_fitting {
        return vec![Cow::Borrowed(table)];
    }
    let count = table.columns.len();
    let mut parts = Vec::new();
    let mut start = 1;
    while start < count {
        // One column at least: a part that is too wide is better than none.
        let fits = |end: &usize| {
            let part = part(table, start, *end);
            *end == start + 1 || fitting(&part, &cells(&part), width).is_fitting
        };
        let end = (start + 1..=count).rev().find(fits).unwrap_or(count);
        parts.push(Cow::Owned(part(table, start, end)));
        start = end;
    }
    if parts.is_empty() { vec![Cow::Borrowed(table)] } else { parts }
}

/// The first column, and those from `start` to before `end`.
fn part(table: &Table, start: usize, end: usize) -> Table {
    let is_in = |index: usize| index == 0 || (start..end).contains(&index);
    let mut part = table.clone();
    let mut index = 0;
    part.columns.retain(|_| {
        index += 1;
        is_in(index - 1)
    });
    for row in &mut part.rows {
        let mut index = 0;
        row.cells.retain(|_| {
            index += 1;
            is_in(index - 1)
        });
    }
    part
}

/// The cells by row, those of a column as wide as each other where numbers have to stand in line.
fn cells(table: &Table) -> Vec<Vec<String>> {
    let has_chosen = table.rows.iter().any(|row| row.is_chosen);
    let margins: Vec<Vec<String>> = (0..table.columns.len()).map(|index| margins(table, index)).collect();
    let names = row_names(table);
    let cell = |row: usize, index: usize| {
        let (Some(cell), Some(column)) = (table.rows[row].cells.get(index), table.columns.get(index)) else {
            return String::new();
        };
        let shown = Shown::new(cell, column);
        let best = if shown.is_best { String::from(BEST) } else { String::new() };
        let text = match (index, has_chosen) {
            (0, false) => names[row].clone(),
            (0, true) => {
                let mark = if table.rows[row].is_chosen { CHOSEN } else { ' ' };
                format!("{mark} {}", names[row])
            }
            _ => shown.text,
        };
        format!("{best}{text}{}", margins[index][row])
    };
    (0..table.rows.len()).map(|row| (0..table.columns.len()).map(|index| cell(row, index)).collect()).collect()
}

/// The first cells of the rows.
fn row_names(table: &Table) -> Vec<String> {
    let text = |row: &super::TableRow| match (row.cells.first(), table.columns.first()) {
        (Some(cell), Some(column)) => Shown::new(cell, column).text,
        _ => String::new(),
    };
    let texts: Vec<String> = table.rows.iter().map(text).collect();
    names::shortened(&texts.iter().map(String::as_str).collect::<Vec<_>>(), NAME)
}

/// What follows each number of a column, in the columns of the widest.
fn margins(table: &Table, index: usize) -> Vec<String> {
    let text = |margin: Margin| match margin {
        Margin::Half(half) => format!(" ± {half}"),
        Margin::Ends(low, high) => format!(" [{low}, {high}]"),
    };
    let of_row = |row: &super::TableRow| {
        let margin = Shown::new(row.cells.get(index)?, table.columns.get(index)?).margin?;
        Some(text(margin))
    };
    let texts: Vec<String> = table.rows.iter().map(|row| of_row(row).unwrap_or_default()).collect();
    let columns = texts.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    texts.into_iter().map(|text| format!("{text:columns$}")).collect()
}

/// One way to fit a table into the terminal.
struct Fit {
    /// The most columns of a head.
    room: usize,
    /// Columns between two columns of the table.
    gap: u16,
    /// Whether words are wrapped.
    is_wrapped: bool,
}

/// A table that is laid out.
#[derive(Default)]
struct Fitted {
    heads: Vec<String>,
    /// The lines, whose best numbers are not marked yet.
    text: String,
    is_fitting: bool,
}

/// The heads and the table, with the widest gap and the longest heads that fit; words are wrapped where that is not
/// enough.
fn fitting(table: &Table, cells: &[Vec<String>], width: usize) -> Fitted {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let whole = (1..=WIDEST_GAP).rev().map(|gap| Fit { room: longest, gap, is_wrapped: false });
    let cut = (SHORTEST..longest).rev().map(|room| Fit { room, gap: 1, is_wrapped: false });
    // Words are wrapped before heads are cut.
    let has_words = table.columns.iter().skip(1).any(|column| column.kind == ColumnKind::Text);
    let tries: Vec<Fit> = if has_words {
        let wrapped = Fit { room: longest, gap: 2, is_wrapped: true };
        whole.chain([wrapped]).chain(cut.map(|fit| Fit { is_wrapped: true, ..fit })).collect()
    } else {
        whole.chain(cut).collect()
    };
    let mut fitted = Fitted::default();
    for fit in tries {
        let heads = names::shortened(&names, fit.room);
        let text = draw(table, &heads, cells, &fit, width);
        let is_fitting = text.lines().all(|line| line.replace(BEST, "*").chars().count() <= width);
        fitted = Fitted { heads, text, is_fitting };
        if is_fitting {
            break;
        }
    }
    fitted
}

fn draw(table: &Table, heads: &[String], cells: &[Vec<String>], fit: &Fit, width: usize) -> String {
    let mut drawn = comfy_table::Table::new();
    drawn.load_style(PLAIN).set_header(heads);
    for cells in cells {
        drawn.add_row(cells);
    }
    if fit.is_wrapped {
        drawn.set_content_arrangement(ContentArrangement::Dynamic).set_width(u16::try_from(width).unwrap_or(u16::MAX));
    }
    for (index, column) in table.columns.iter().enumerate() {
        let Some(shown) = drawn.column_mut(index) else { continue };
        if column.kind != ColumnKind::Text {
            shown.set_cell_alignment(CellAlignment::Right);
        }
        if index == 0 || column.kind != ColumnKind::Text {
            shown.set_constraint(ColumnConstraint::ContentWidth);
        }
        // One column lies between two anyway.
        shown.set_padding((if index > 0 { fit.gap - 1 } else { 0 }, 0));
    }
    drawn.trim_fmt()
}

/// The laid out table with the best numbers marked: a star before the number, or a space where the number itself is
/// bold.
fn marked(text: &str, is_terminal: bool) -> String {
    let mut parts = text.split(BEST);
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        marked += &if is_terminal { format!(" {BOLD}{number}{PLAIN_AGAIN}{rest}") } else { format!("*{number}{rest}") };
    }
    marked
}
