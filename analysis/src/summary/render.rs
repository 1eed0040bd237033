#[cfg(test)]
mod tests;

use super::Summary;
use crate::{
    Style, Table,
    wrap::{WIDTH, wrapped},
};
use jobs::escaped;

impl Summary {
    /// The tables of both splits, what the searches chose, and what is missing.
    ///
    /// Numbers are in percent, with half the width of their 95 % intervals; `›` marks the chosen row. See
    /// [`Table::render`]; LaTeX and CSV have the tables alone, one after the other.
    pub fn render(&self, style: Style) -> String {
        self.render_within(style, WIDTH)
    }

    /// The same in `width` columns; see [`Table::render_within`].
    pub fn render_within(&self, style: Style, width: usize) -> String {
        let mut parts: Vec<String> = Vec::new();
        for split in self.split_names() {
            let tables = [Some(Table::accuracy(self, split)), Table::hits(self, split)];
            parts.extend(tables.into_iter().flatten().map(|table| table.render_within(style, width)));
        }
        let tables = [Table::replicates(self), Table::subsets(self)];
        parts.extend(tables.into_iter().flatten().map(|table| table.render_within(style, width)));
        for lines in [self.choices(), self.notes_in_lines(), self.warnings()] {
            parts.extend(paragraph(&lines, style, width));
        }
        parts.join("\n")
    }

    /// The names of the splits, that of the report first.
    pub(crate) fn split_names(&self) -> Vec<&str> {
        let mut splits = vec![self.splits.report.as_str()];
        if self.splits.select != self.splits.report {
            splits.push(&self.splits.select);
        }
        splits
    }
}

/// The lines, each wrapped; in Markdown a list, since lines would run together.
pub(crate) fn paragraph(lines: &[String], style: Style, width: usize) -> Option<String> {
    // Names and messages of others are in it.
    let lines = lines.iter().map(|line| escaped(line));
    let shown: Vec<String> = match style {
        Style::Plain | Style::Terminal => lines.map(|line| wrapped(&line, width)).collect(),
        Style::Markdown => lines.map(|line| format!("- {line}")).collect(),
        Style::Latex | Style::Csv => Vec::new(),
    };
    (!shown.is_empty()).then(|| shown.join("\n") + "\n")
}
