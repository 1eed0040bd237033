mod lines;
#[cfg(test)]
mod tests;

use crate::{SplitSummary, Summary, SummaryRow};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets::ASCII_MARKDOWN};
use jobs::HITS_AT;

/// What a table is read with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A file or pipe: the best numbers have a star.
    Plain,
    /// A terminal: the best numbers are bold.
    Terminal,
    /// A Markdown document: the best numbers are bold.
    Markdown,
}

/// The columns that a terminal is sure to have.
const WIDTH: usize = 120;
/// The columns of a row's name.
const NAME: usize = 22;
/// Stands before a number that is the best of its column, until the style is known. No name has it.
const BEST: char = '\u{E000}';
const PLAIN: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Summary {
    /// The tables of both splits, what the searches chose, and what is missing.
    ///
    /// Numbers are in percent. A table of eight tasks fits into 120 columns; heads that are cut are written out
    /// below it.
    pub fn render(&self, style: Style) -> String {
        let mut parts = Vec::new();
        let mut splits = vec![&self.splits.report];
        if self.splits.select != self.splits.report {
            splits.push(&self.splits.select);
        }
        for split in splits {
            parts.push(self.accuracies(split, style));
            parts.extend(self.hits(split, style));
        }
        parts.extend(self.search_lines());
        parts.extend(self.problem_lines());
        parts.join("\n\n") + "\n"
    }

    /// One row per method, a column per task, the mean with its interval, the normalised mean.
    fn accuracies(&self, split: &str, style: Style) -> String {
        let heads = heads(&self.tasks, style);
        let has_normalised = self.rows.iter().any(|row| normalised(row, split).is_some());
        let mut header = vec!["%".to_owned()];
        header.extend(heads.iter().cloned());
        header.push("mean".to_owned());
        header.extend(has_normalised.then(|| "norm.".to_owned()));
        let mut table = table(header, style);
        let of_task = |task: &str| {
            let task = task.to_owned();
            move |row: &SummaryRow| accuracy(row.splits.get(split)?, &task)
        };
        for row in &self.rows {
            let mut cells = vec![shortened(&row.name, NAME, style)];
            cells.extend(self.tasks.iter().map(|task| self.cell(row, of_task(task))));
            let mean = |row: &SummaryRow| row.splits.get(split)?.mean_accuracy;
            cells.push(format!("{}{}", self.cell(row, mean), plus_minus(row, split)));
            if has_normalised {
                cells.push(self.cell(row, |row| normalised(row, split)));
            }
            table.add_row(cells);
        }
        let mut text = format!("accuracy on {split}\n{}", finish(&table, style));
        let cut: Vec<_> = heads.iter().zip(&self.tasks).filter(|(head, task)| head != task).collect();
        if !cut.is_empty() {
            let list: Vec<_> = cut.iter().map(|(head, task)| format!("{head} {task}")).collect();
            text = format!("{text}\n{}", list.join(", "));
        }
        text
    }

    /// The hits of a joint benchmark.
    fn hits(&self, split: &str, style: Style) -> Option<String> {
        let has_hits = |row: &SummaryRow| row.splits.get(split).is_some_and(|split| !split.hits.is_empty());
        if !self.rows.iter().any(has_hits) {
            return None;
        }
        let mut header = vec!["%".to_owned()];
        header.extend(HITS_AT.iter().map(|k| format!("hits@{k}")));
        header.push("n".to_owned());
        let mut table = table(header, style);
        for row in &self.rows {
            let mut cells = vec![shortened(&row.name, NAME, style)];
            cells.extend(
                HITS_AT.iter().map(|k| self.cell(row, |row: &SummaryRow| row.splits.get(split)?.hits.get(k).copied())),
            );
            cells.push(row.splits.get(split).map_or_else(dash, |split| split.n.to_string()));
            table.add_row(cells);
        }
        Some(format!("joint labels on {split}\n{}", finish(&table, style)))
    }

    /// A number in percent, marked if it is the best that a merge has.
    fn cell(&self, row: &SummaryRow, number: impl Fn(&SummaryRow) -> Option<f64>) -> String {
        let Some(value) = number(row) else { return dash() };
        let merges = self.rows.iter().filter(|row| row.kind.is_merge());
        let best = merges.filter_map(&number).max_by(f64::total_cmp);
        let mark = match best {
            Some(best) if row.kind.is_merge() && value >= best => BEST.to_string(),
            _ => String::new(),
        };
        format!("{mark}{:.1}", value * 100.0)
    }
}

fn dash() -> String {
    "–".to_owned()
}

fn accuracy(split: &SplitSummary, task: &str) -> Option<f64> {
    split.tasks.iter().find(|summary| summary.task == task).map(|summary| summary.accuracy)
}

fn normalised(row: &SummaryRow, split: &str) -> Option<f64> {
    row.splits.get(split)?.mean_normalised
}

/// Half the width of the mean's interval.
fn plus_minus(row: &SummaryRow, split: &str) -> String {
    let interval = row.splits.get(split).and_then(|split| split.interval);
    interval.map(|interval| format!(" ± {:.1}", (interval.high - interval.low) * 50.0)).unwrap_or_default()
}

/// The tasks' names, cut evenly so that the table fits.
fn heads(tasks: &[String], style: Style) -> Vec<String> {
    // The name, the mean with its interval and the normalised mean have two columns of padding each.
    let rest = WIDTH - (NAME + 2) - (12 + 2) - (6 + 2);
    let room = (rest / tasks.len().max(1)).saturating_sub(2).max(6);
    let mut heads: Vec<String> = tasks.iter().map(|task| shortened(task, room, style)).collect();
    for index in 1..heads.len() {
        if heads[..index].contains(&heads[index]) {
            heads[index] = format!("{}…{index}", tasks[index].chars().take(room.saturating_sub(3)).collect::<String>());
        }
    }
    heads
}

/// `text` in at most `width` columns; Markdown has room for all of it.
fn shortened(text: &str, width: usize, style: Style) -> String {
    if style == Style::Markdown || text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn table(header: Vec<String>, style: Style) -> Table {
    let columns = header.len();
    let mut table = Table::new();
    table.load_style(if style == Style::Markdown { ASCII_MARKDOWN } else { PLAIN }).set_header(header);
    for column in (1..columns).filter_map(|index| table.column(index).map(|_| index)).collect::<Vec<_>>() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table as text, with the best numbers marked as the style has it.
///
/// The mark keeps its column: a star before the number, or a space where the number itself is bold.
fn finish(table: &Table, style: Style) -> String {
    let text = if style == Style::Markdown { table.to_string() } else { table.trim_fmt() };
    let mut parts = text.split(BEST);
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
        let (number, rest) = part.split_at(end);
        marked += &match style {
            Style::Plain => format!("*{number}{rest}"),
            Style::Terminal => format!(" \u{1b}[1m{number}\u{1b}[0m{rest}"),
            Style::Markdown => format!("**{number}**{rest}"),
        };
    }
    marked
}
