use super::{Columns, value_column};
use crate::{Cell, Summary, report::headline::metric_in_words};
use serde::Serialize;

/// A column of [`RunRows`](super::RunRows).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct RunColumn {
    name: String,
    kind: RunKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RunKind {
    Text,
    /// Shares of 1.
    Share,
    Number,
    Count,
    Seconds,
    /// Milliseconds since 1970.
    Time,
    /// The id of a job.
    Id,
}

/// The columns that may be shown, each with that of the frame.
pub(super) fn columns_of(summary: &Summary) -> Vec<(RunColumn, String)> {
    let metric = &summary.objective.metric;
    let mut columns = vec![("row", RunKind::Text, "row".to_owned()), ("split", RunKind::Text, "split".to_owned())];
    let words = metric_in_words(metric);
    columns.push((words.as_str(), RunKind::Share, value_column(metric)));
    let scores = [
        ("mean accuracy", "mean_accuracy"),
        ("mean normalised accuracy", "mean_normalised"),
        ("joint hits@1", "hits_1"),
        ("joint hits@3", "hits_3"),
        ("joint hits@10", "hits_10"),
    ];
    columns.extend(
        scores
            .into_iter()
            .filter(|score| score.1 != value_column(metric))
            .map(|(name, of)| (name, RunKind::Share, of.to_owned())),
    );
    let keys = ["space", "axis", "trim_scope", "elect", "combine", "weights"];
    let numbers = ["sigma_cut", "sigma_cut_relative", "drop_rate", "seed", "density", "common_share", "scaling"];
    columns.extend(numbers.map(|key| (key, RunKind::Number, key.to_owned())));
    columns.extend(keys.map(|key| (key, RunKind::Text, key.to_owned())));
    columns.extend([
        ("adapter", RunKind::Text, "adapter".to_owned()),
        ("n", RunKind::Count, "n".to_owned()),
        ("time", RunKind::Seconds, String::new()),
        ("worker", RunKind::Text, "worker".to_owned()),
        ("device", RunKind::Text, "device".to_owned()),
        ("attempt", RunKind::Count, "attempt".to_owned()),
        ("finished (UTC)", RunKind::Time, "finished_ms".to_owned()),
        ("job", RunKind::Id, "job".to_owned()),
    ]);
    columns.into_iter().map(|(name, kind, of)| (RunColumn { name: name.to_owned(), kind }, of)).collect()
}

pub(super) fn cells(columns: &Columns<'_>, column: &RunColumn, name: &str, shown: &[usize]) -> Vec<Cell> {
    let number = |value: Option<f64>| {
        let Some(value) = value else { return Cell::Empty };
        match column.kind {
            RunKind::Count | RunKind::Time => Cell::Count(value as u64),
            // Digits that nobody sees would be half of the page.
            RunKind::Share => Cell::Number((value * 1e6).round() / 1e6),
            RunKind::Seconds => Cell::Number((value * 1e3).round() / 1e3),
            _ => Cell::Number(value),
        }
    };
    match column.kind {
        RunKind::Text | RunKind::Id => {
            let texts = columns.texts(name);
            let cell = |row: &usize| texts[*row].map_or(Cell::Empty, |text| Cell::Text(text.to_owned()));
            shown.iter().map(cell).collect()
        }
        RunKind::Seconds => {
            let parts = ["load_s", "align_s", "merge_s", "evaluate_s"].map(|part| columns.numbers(part));
            let sum = |row: &usize| parts.iter().map(|part| part[*row]).sum::<Option<f64>>();
            shown.iter().map(|row| number(sum(row))).collect()
        }
        _ => {
            let values = columns.numbers(name);
            shown.iter().map(|row| number(values[*row])).collect()
        }
    }
}

/// What is nowhere is left out, and so is what is the same everywhere, unless a reader looks for it.
pub(super) fn is_telling(column: &RunColumn, cells: &[Cell]) -> bool {
    let known: Vec<&Cell> = cells.iter().filter(|cell| **cell != Cell::Empty).collect();
    let is_same = known.windows(2).all(|pair| pair[0] == pair[1]);
    let is_always_shown = matches!(column.kind, RunKind::Share | RunKind::Id | RunKind::Time | RunKind::Seconds)
        || ["row", "split"].contains(&column.name.as_str());
    !known.is_empty() && (is_always_shown || !is_same)
}
