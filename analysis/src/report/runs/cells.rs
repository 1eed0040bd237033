use super::Columns;
use crate::{
    Cell, Summary,
    metric::{column_of, in_words},
};
use jobs::{HITS_AT, Metric, RecipeKey};
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
    let mut columns = vec![named("row", RunKind::Text, "row"), named("split", RunKind::Text, "split")];
    let words = in_words(metric);
    let of_metric = column_of(metric);
    columns.push((words, RunKind::Share, of_metric.clone()));
    let hits = HITS_AT.map(Metric::JointHits);
    let scores = [Metric::MeanAccuracy, Metric::MeanNormalisedAccuracy].into_iter().chain(hits);
    let scores = scores.map(|score| (in_words(&score), RunKind::Share, column_of(&score)));
    columns.extend(scores.filter(|(_, _, column)| *column != of_metric));
    let (numbers, texts): (Vec<&RecipeKey>, Vec<&RecipeKey>) = RecipeKey::resolved().partition(|key| key.is_number());
    columns.extend(numbers.into_iter().map(|key| named(key.name(), RunKind::Number, key.name())));
    columns.extend(texts.into_iter().map(|key| named(key.name(), RunKind::Text, key.name())));
    columns.push(named("adapter", RunKind::Text, "adapter"));
    if summary.rows.iter().any(|row| !row.subsets.is_empty()) {
        columns.push(named("adapters", RunKind::Count, "adapters"));
    }
    columns.extend([
        named("n", RunKind::Count, "n"),
        named("time", RunKind::Seconds, ""),
        named("worker", RunKind::Text, "worker"),
        named("device", RunKind::Text, "device"),
        named("attempt", RunKind::Count, "attempt"),
        named("finished (UTC)", RunKind::Time, "finished_ms"),
        named("job", RunKind::Id, "job"),
    ]);
    columns.into_iter().map(|(name, kind, of)| (RunColumn { name, kind }, of)).collect()
}

/// A column of that name for one of the frame.
fn named(name: &str, kind: RunKind, of: &str) -> (String, RunKind, String) {
    (name.to_owned(), kind, of.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Made;

    #[test]
    fn every_key_of_recipes_has_a_column_under_its_name() {
        let made = Made::small();
        let columns = columns_of(&Summary::build(&made.outcome, &made.results, None));
        for key in RecipeKey::resolved() {
            let kind = if key.is_number() { RunKind::Number } else { RunKind::Text };
            let column = (RunColumn { name: key.name().to_owned(), kind }, key.name().to_owned());
            assert!(columns.contains(&column), "{column:?}");
        }
    }

    #[test]
    fn what_was_searched_by_stands_first_among_the_scores_and_once() {
        let mut made = Made::small();
        made.outcome.objective.metric = Metric::JointHits(5);
        let columns = columns_of(&Summary::build(&made.outcome, &made.results, None));
        let shares = columns.iter().filter(|(column, _)| column.kind == RunKind::Share);
        let shares: Vec<(&str, &str)> = shares.map(|(column, of)| (column.name.as_str(), of.as_str())).collect();
        assert_eq!(
            shares,
            [
                ("joint Hits@5", "hits_5"),
                ("mean accuracy", "mean_accuracy"),
                ("mean normalised accuracy", "mean_normalised"),
                ("joint Hits@1", "hits_1"),
                ("joint Hits@3", "hits_3"),
                ("joint Hits@10", "hits_10"),
            ]
        );
    }
}
