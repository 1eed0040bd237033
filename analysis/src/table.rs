mod lines;
#[cfg(test)]
mod tests;

use crate::{SplitSummary, Summary, SummaryRow};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle, presets::ASCII_MARKDOWN};
use jobs::{HITS_AT, Interval};

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
/// The gap between columns where there is room.
const WIDEST_GAP: u16 = 3;
/// The columns that a task's name is not cut below.
const SHORTEST: usize = 6;
/// Stands before the name of the chosen row.
const CHOSEN: char = '›';
const BOLD: &str = "\u{1b}[1m";
const PLAIN_AGAIN: &str = "\u{1b}[0m";
/// Stands before a number that is the best of its column, until the style is known. No name has it.
const BEST: char = '\u{E000}';
const PLAIN: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

impl Summary {
    /// The tables of both splits, what the searches chose, and what is missing.
    ///
    /// Numbers are in percent, with half the width of their 95 % intervals; `›` marks the chosen row. Tables and lines
    /// fit into 120 columns: columns move together first, and then heads are cut, to no less
    /// than six, and written out below the table.
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
        parts.extend(self.search_lines(style));
        parts.extend(self.problem_lines(style));
        parts.join("\n\n") + "\n"
    }

    /// One row per method, a column per task, the mean and the normalised mean with their intervals, the examples.
    fn accuracies(&self, split: &str, style: Style) -> String {
        let has_normalised = self.rows.iter().any(|row| of(row, split).is_some_and(|of| of.mean_normalised.is_some()));
        let intervals = |interval: fn(&SplitSummary) -> Option<Interval>| {
            plus_minus(self.rows.iter().map(|row| of(row, split).and_then(interval)), style)
        };
        let of_mean = intervals(|split| split.interval);
        let of_normalised = intervals(|split| split.normalised_interval);
        let row = |(index, row): (usize, &SummaryRow)| {
            let mut cells = vec![self.name(row, style)];
            let of_task = |task| move |row: &SummaryRow| accuracy(of(row, split)?, task);
            cells.extend(self.tasks.iter().map(|task| self.cell(row, of_task(task))));
            cells.push(self.cell(row, |row| of(row, split)?.mean_accuracy) + &of_mean[index]);
            if has_normalised {
                cells.push(self.cell(row, |row| of(row, split)?.mean_normalised) + &of_normalised[index]);
            }
            cells.push(examples(row, split));
            cells
        };
        let cells: Vec<Vec<String>> = self.rows.iter().enumerate().map(row).collect();
        let last = ["mean", "norm.", "n"].into_iter().filter(|head| has_normalised || *head != "norm.");
        let last: Vec<String> = last.map(str::to_owned).collect();
        let draw = |heads: &[String], gap| {
            let header = [&["%".to_owned()], heads, &last].concat();
            finish(&table(header, &cells, gap, style), style)
        };
        let (heads, table) = fitting(&self.tasks, style, draw);
        let mut text = titled(&format!("accuracy on {split}"), &table, style);
        let cut: Vec<_> = heads.iter().zip(&self.tasks).filter(|(head, task)| head != task).collect();
        if !cut.is_empty() && style != Style::Markdown {
            let list: Vec<_> = cut.iter().map(|(head, task)| format!("{head} {task}")).collect();
            text = format!("{text}\n{}", lines::wrapped(&list.join(", "), style));
        }
        text
    }

    /// The hits of a joint benchmark.
    fn hits(&self, split: &str, style: Style) -> Option<String> {
        let has_hits = |row: &SummaryRow| of(row, split).is_some_and(|split| !split.hits.is_empty());
        if !self.rows.iter().any(has_hits) {
            return None;
        }
        let mut header = vec!["%".to_owned()];
        header.extend(HITS_AT.iter().map(|k| format!("hits@{k}")));
        header.push("n".to_owned());
        let rows = self.rows.iter().map(|row| {
            let mut cells = vec![self.name(row, style)];
            cells.extend(HITS_AT.iter().map(|k| self.cell(row, |row| of(row, split)?.hits.get(k).copied())));
            cells.push(examples(row, split));
            cells
        });
        let table = finish(&table(header, &rows.collect::<Vec<_>>(), WIDEST_GAP, style), style);
        Some(titled(&format!("joint labels on {split}"), &table, style))
    }

    /// The row's name, marked if it is the chosen one.
    fn name(&self, row: &SummaryRow, style: Style) -> String {
        let name = shortened(&row.name, NAME, style);
        match (row.is_best, style) {
            (true, _) => format!("{CHOSEN} {name}"),
            (false, Style::Markdown) => name,
            (false, _) => format!("  {name}"),
        }
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

fn of<'a>(row: &'a SummaryRow, split: &str) -> Option<&'a SplitSummary> {
    row.splits.get(split)
}

fn dash() -> String {
    "–".to_owned()
}

fn accuracy(split: &SplitSummary, task: &str) -> Option<f64> {
    split.tasks.iter().find(|summary| summary.task == task).map(|summary| summary.accuracy)
}

/// Half the width of each row's interval, in the columns of the widest, so that the numbers before stand in line.
fn plus_minus(intervals: impl Iterator<Item = Option<Interval>>, style: Style) -> Vec<String> {
    let text = |interval: Interval| format!(" ± {:.1}", (interval.high - interval.low) * 50.0);
    let texts: Vec<String> = intervals.map(|interval| interval.map(text).unwrap_or_default()).collect();
    let columns = texts.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    match style {
        Style::Markdown => texts,
        Style::Plain | Style::Terminal => texts.into_iter().map(|text| format!("{text:columns$}")).collect(),
    }
}

/// How many examples the row's numbers rest on; none where all of them were given.
fn examples(row: &SummaryRow, split: &str) -> String {
    of(row, split).filter(|split| split.n > 0).map_or_else(dash, |split| split.n.to_string())
}

/// The table that `draw` makes of heads and a gap, with the widest gap and the longest heads that fit.
fn fitting(tasks: &[String], style: Style, draw: impl Fn(&[String], u16) -> String) -> (Vec<String>, String) {
    let longest = tasks.iter().map(|task| task.chars().count()).max().unwrap_or_default();
    let whole = (1..=WIDEST_GAP).rev().map(|gap| (longest, gap));
    let cut = (SHORTEST..longest).rev().map(|room| (room, 1));
    let mut drawn = (Vec::new(), String::new());
    for (room, gap) in whole.chain(cut) {
        let heads = heads(tasks, room, style);
        let table = draw(&heads, gap);
        let is_fitting = table.lines().all(|line| visible(line) <= WIDTH);
        drawn = (heads, table);
        if is_fitting || style == Style::Markdown {
            break;
        }
    }
    drawn
}

/// The columns of a line, without the marks of bold.
fn visible(line: &str) -> usize {
    line.replace(BOLD, "").replace(PLAIN_AGAIN, "").chars().count()
}

/// The tasks' names in at most `room` columns, told apart by their places where they would be the same.
fn heads(tasks: &[String], room: usize, style: Style) -> Vec<String> {
    let mut heads: Vec<String> = tasks.iter().map(|task| shortened(task, room, style)).collect();
    for index in 1..heads.len() {
        if heads[..index].contains(&heads[index]) {
            heads[index] = format!("{}…{index}", tasks[index].chars().take(room.saturating_sub(3)).collect::<String>());
        }
    }
    heads
}

/// Markdown needs an empty line between a paragraph and a table.
fn titled(title: &str, table: &str, style: Style) -> String {
    let between = if style == Style::Markdown { "\n\n" } else { "\n" };
    format!("{title}{between}{table}")
}

/// `text` in at most `width` columns; Markdown has room for all of it.
fn shortened(text: &str, width: usize, style: Style) -> String {
    if style == Style::Markdown || text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

fn table(header: Vec<String>, rows: &[Vec<String>], gap: u16, style: Style) -> Table {
    let columns = header.len();
    let mut table = Table::new();
    let escaped = |cells: &[String]| cells.iter().map(|cell| escaped(cell, style)).collect::<Vec<_>>();
    table.load_style(if style == Style::Markdown { ASCII_MARKDOWN } else { PLAIN }).set_header(escaped(&header));
    for cells in rows {
        table.add_row(escaped(cells));
    }
    for index in 0..columns {
        let Some(column) = table.column_mut(index) else { continue };
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if style != Style::Markdown {
            // One column lies between two anyway.
            column.set_padding((if index > 0 { gap - 1 } else { 0 }, 0));
        }
    }
    table
}

/// A name may hold what ends a cell in Markdown.
fn escaped(cell: &str, style: Style) -> String {
    if style == Style::Markdown { cell.replace('|', "\\|") } else { cell.to_owned() }
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
            Style::Terminal => format!(" {BOLD}{number}{PLAIN_AGAIN}{rest}"),
            Style::Markdown => format!("**{number}**{rest}"),
        };
    }
    marked
}
