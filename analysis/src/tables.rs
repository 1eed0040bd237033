mod comparison;
mod cost;
mod csv;
mod differences;
mod failed;
mod front;
mod html;
mod importance;
mod latex;
mod markdown;
mod merges;
mod of_sweep;
mod pairs;
mod published;
mod ranking;
mod replicates;
mod seeds;
mod shown;
mod similarity;
mod subsets;
mod summaries;
mod terminal;
#[cfg(test)]
mod tests;
mod training;
mod uncertainty;
mod values;
mod variants;
mod weighting;

pub use comparison::{Comparison, Side};
pub(crate) use differences::pairs_of;
pub use of_sweep::Tables;
pub(crate) use pairs::Verdict;
pub(crate) use weighting::Weighting;

pub(crate) use csv::as_text;
pub use html::escaped as escaped_html;

use crate::{number::without_negative_zero, wrap::WIDTH};
use jobs::{escaped, escaped_lines};
use serde::Serialize;
use std::borrow::Cow;

/// A table, whatever it is shown with.
///
/// Rendered, shares are in percent and what does not exist is a dash; in CSV and JSON they are as they are here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// What it is called among the tables of a sweep, such as `accuracy-test`; fit for the name of a file.
    pub name: String,
    /// What it shows, with the unit of its shares as they are rendered.
    pub title: String,
    /// The columns. The first names what a row is about.
    pub columns: Vec<Column>,
    /// The rows, with as many cells as there are columns.
    pub rows: Vec<TableRow>,
    /// What a reader has to know besides, each a sentence or two.
    pub notes: Vec<String>,
}

/// A column of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its head.
    pub name: String,
    /// What its numbers are.
    pub kind: ColumnKind,
    /// Whether the intervals of its cells are left to CSV and JSON, since there are more such columns than a page is
    /// wide.
    pub is_brief: bool,
}

/// What the numbers of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Words.
    Text,
    /// Shares, 1 being the whole; normalised accuracies may lie above. Rendered in percent.
    Share,
    /// Differences of shares, in [−1, 1]. Rendered in percentage points with their sign.
    Difference,
    /// How many.
    Count,
    /// Seconds.
    Seconds,
    /// Numbers of no unit, such as a parameter or a p-value.
    Number,
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableRow {
    /// Whether it stands for what the sweep chose.
    pub is_chosen: bool,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// A cell of a [`Table`]. In JSON it is `null`, a text, a number, or an object with `value`, `low`, `high` and `best`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// What does not exist, or is not known.
    Empty,
    /// Words.
    Text(String),
    /// How many.
    Count(u64),
    /// A number of its column's kind.
    Number(f64),
    /// A measured number.
    Measured {
        /// The number.
        value: f64,
        /// The lower end of its 95 % interval.
        low: Option<f64>,
        /// The upper end.
        high: Option<f64>,
        /// Whether it is the best of those in its column that compete.
        #[serde(rename = "best")]
        is_best: bool,
    },
}

/// What a table is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A file or pipe: the best numbers have a star.
    Plain,
    /// A terminal: the best numbers are bold.
    Terminal,
    /// A Markdown document: the best numbers are bold.
    Markdown,
    /// A LaTeX document, which has to load `booktabs`: a `tabular`, the best numbers bold.
    Latex,
    /// A spreadsheet or a script: shares in [0, 1] with all their digits, and intervals in columns of their own.
    Csv,
}

impl Table {
    /// The table as text, with a line break at its end.
    ///
    /// For [`Plain`](Style::Plain) and [`Terminal`](Style::Terminal) it fits into 120 columns: columns move together
    /// first, then heads are cut, to no less than six, and written out below the table, and words are wrapped. `›`
    /// marks the chosen row.
    ///
    /// # Examples
    /// ```
    /// use analysis::{Cell, Column, ColumnKind, Style, Table, TableRow};
    ///
    /// let cells = vec![Cell::Text("ties".to_owned()), Cell::Number(0.52)];
    /// let table = Table {
    ///     name: "accuracy".to_owned(),
    ///     title: "accuracy, in %".to_owned(),
    ///     columns: vec![Column::new("method", ColumnKind::Text), Column::new("mean", ColumnKind::Share)],
    ///     rows: vec![TableRow { is_chosen: false, cells }],
    ///     notes: Vec::new(),
    /// };
    /// assert_eq!(table.render(Style::Csv), "method,mean\nties,0.52\n");
    /// assert_eq!(table.render(Style::Plain).lines().last(), Some("ties     52.0"));
    /// ```
    pub fn render(&self, style: Style) -> String {
        self.render_within(style, WIDTH)
    }

    /// The same, for [`Plain`](Style::Plain) and [`Terminal`](Style::Terminal) in `width` columns: columns that do not fit beside the
    /// others follow below, each part with the names of the rows.
    pub fn render_within(&self, style: Style, width: usize) -> String {
        let table = self.fit_to_show();
        match style {
            Style::Plain => terminal::render(&table, false, width),
            Style::Terminal => terminal::render(&table, true, width),
            Style::Markdown => markdown::render(&table),
            Style::Latex => latex::render(&table),
            Style::Csv => csv::render(&table),
        }
    }

    /// The table, whose names and messages make no lines and move no cursor.
    fn fit_to_show(&self) -> Cow<'_, Self> {
        let of_cell = |cell: &Cell| matches!(cell, Cell::Text(text) if !is_fit_in_lines(text));
        let has_fit_names = |row: &TableRow| !matches!(row.cells.first(), Some(Cell::Text(text)) if !is_fit(text));
        let is_fit_here = is_fit(&self.title)
            && self.rows.iter().all(has_fit_names)
            && self.columns.iter().all(|column| is_fit(&column.name))
            && self.notes.iter().all(|note| is_fit(note))
            && !self.rows.iter().flat_map(|row| &row.cells).any(of_cell);
        if is_fit_here {
            return Cow::Borrowed(self);
        }
        let mut table = self.clone();
        let texts = table.columns.iter_mut().map(|column| &mut column.name).chain(&mut table.notes);
        texts.chain([&mut table.title]).for_each(|text| *text = escaped(text).into_owned());
        for row in &mut table.rows {
            for (index, cell) in row.cells.iter_mut().enumerate() {
                let Cell::Text(text) = cell else { continue };
                // The lines of a message stay in their column; a name is one.
                *text = if index == 0 { escaped(text) } else { escaped_lines(text) }.into_owned();
            }
        }
        Cow::Owned(table)
    }
}

fn is_fit_in_lines(text: &str) -> bool {
    matches!(escaped_lines(text), Cow::Borrowed(_))
}

fn is_fit(text: &str) -> bool {
    matches!(escaped(text), Cow::Borrowed(_))
}

impl Table {
    /// The name of a table that tells of one split, such as `accuracy-test`; letters that the name of a file might not
    /// take become `_`.
    pub fn name_of(kind: &str, split: &str) -> String {
        let is_safe = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.');
        let split: String = split.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
        format!("{kind}-{split}")
    }
}

impl Column {
    /// A column whose cells show their intervals.
    pub fn new(name: impl Into<String>, kind: ColumnKind) -> Self {
        Self { name: name.into(), kind, is_brief: false }
    }

    /// A column whose cells do not.
    pub(crate) fn brief(name: impl Into<String>, kind: ColumnKind) -> Self {
        Self { name: name.into(), kind, is_brief: true }
    }
}

impl Cell {
    /// A text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number, or nothing where there is none or it is no finite number.
    pub(crate) fn number(number: Option<f64>) -> Self {
        let number = number.filter(|number| number.is_finite()).map(without_negative_zero);
        number.map_or(Self::Empty, Self::Number)
    }

    /// A measured number with its interval, or nothing.
    pub(crate) fn measured(value: Option<f64>, interval: Option<jobs::Interval>, is_best: bool) -> Self {
        let low = interval.map(|interval| interval.low);
        let high = interval.map(|interval| interval.high);
        let value = value.filter(|value| value.is_finite()).map(without_negative_zero);
        value.map_or(Self::Empty, |value| Self::Measured { value, low, high, is_best })
    }
}
