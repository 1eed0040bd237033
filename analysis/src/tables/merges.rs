use super::{Cell, Column, ColumnKind, uncertainty::Uncertainty};
use crate::{Frame, FrameError, Summary};
use jobs::{Goal, Interval, JobId, Metric, Outcome, RowKind};
use polars::prelude::{AnyValue, DataFrame, DataType, Expr, LazyFrame, SortMultipleOptions, col, lit};
use std::collections::HashMap;

/// Keys of a recipe that are numbers.
pub(super) const NUMBERS: [&str; 7] =
    ["sigma_cut", "sigma_cut_relative", "drop_rate", "seed", "density", "common_share", "scaling"];
/// Keys that are words.
pub(super) const WORDS: [&str; 6] = ["space", "axis", "trim_scope", "elect", "combine", "weights"];

/// Keys that are shown wherever they vary. The others mostly follow from the method, and are shown where they vary within one.
const MAIN: [&str; 3] = ["drop_rate", "density", "scaling"];

/// The merges of one sweep, and the number that it searched by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merges<'a> {
    pub(super) frame: &'a Frame,
    pub(super) outcome: &'a Outcome,
    pub(super) summary: &'a Summary,
}

impl Merges<'_> {
    /// The merges that have a value on `split`: their keys, `method`, `row`, `job`, `n`, the value as `value`, and the
    /// [counts](Self::counts) of the tasks.
    pub(super) fn on(&self, split: &str) -> LazyFrame {
        let is_ours = col("sweep").eq(lit(self.outcome.sweep.as_str()));
        let is_merge = col("subject").eq(lit("merge")).and(col("split").eq(lit(split)));
        let columns = ["method", "row", "job", "n"].into_iter().chain(NUMBERS).chain(WORDS).map(col);
        let value = self.value().alias("value");
        self.frame
            .lazy()
            .filter(is_ours.and(is_merge))
            .select(columns.chain([value]).chain(self.counts().into_iter().map(col)).collect::<Vec<Expr>>())
            .filter(col("value").is_not_null().and(col("value").is_finite()))
    }

    /// The columns that tell how sure a value is, as far as the frame has them: a task that no result is of has none.
    pub(super) fn counts(&self) -> Vec<String> {
        let is_there = |name: &String| self.frame.table().get_column_index(name).is_some();
        Uncertainty::columns(&self.outcome.tasks).filter(is_there).collect()
    }

    /// Those of the selection split, the best first. Of equal ones those that the sweep chose go first.
    pub(super) fn ranked(&self) -> LazyFrame {
        let chosen: Vec<JobId> = self.of_rows(&self.outcome.select).map(|(_, job)| job).collect();
        let is_chosen =
            chosen.iter().fold(lit(false), |is_chosen, job| is_chosen.or(col("job").eq(lit(job.to_string()))));
        let is_more_better = self.outcome.objective.goal == Goal::Maximize;
        let order = SortMultipleOptions::default()
            .with_order_descending_multi([is_more_better, true])
            .with_maintain_order(true);
        let merges = self.on(&self.outcome.select).with_column(is_chosen.alias("is_chosen"));
        merges.sort(["value", "is_chosen"], order)
    }

    /// The values on the report split of the recipes that were evaluated there, with their intervals, by the job of the
    /// selection split.
    pub(super) fn reported(&self) -> Result<HashMap<String, (f64, Option<Interval>)>, FrameError> {
        let found = Frame::answer(self.on(&self.outcome.report))?;
        let uncertainty = Uncertainty::of(self.summary, &self.outcome.report);
        let value = |row| {
            let interval = uncertainty.interval(&found, row);
            Some((text(&found, "job", row)?, (number(&found, "value", row)?, interval)))
        };
        let values: HashMap<String, (f64, Option<Interval>)> = (0..found.height()).filter_map(value).collect();
        let report: HashMap<usize, JobId> = self.of_rows(&self.outcome.report).collect();
        let of_row = |(row, job): (usize, JobId)| Some((job.to_string(), *values.get(&report.get(&row)?.to_string())?));
        Ok(self.of_rows(&self.outcome.select).filter_map(of_row).collect())
    }

    /// The job of each row that is a merge, by the row's place.
    fn of_rows(&self, split: &str) -> impl Iterator<Item = (usize, JobId)> {
        self.outcome.rows.iter().enumerate().filter_map(move |(index, row)| match row.kind {
            RowKind::Baseline { .. } | RowKind::Search { .. } => Some((index, *row.jobs.get(split)?.first()?)),
            _ => None,
        })
    }

    /// The keys that tell the merges on `split` apart, in the order of a recipe.
    pub(super) fn varying(&self, split: &str) -> Result<Vec<&'static str>, FrameError> {
        let merges = self.on(split);
        // Where a step is not taken, its keys have no value; that is no other one.
        let kinds =
            |names: &[&'static str]| names.iter().map(|name| col(*name).drop_nulls().n_unique()).collect::<Vec<Expr>>();
        let in_all = Frame::answer(merges.clone().select(kinds(&MAIN)))?;
        let within = Frame::answer(merges.group_by([col("method")]).agg(kinds(&[&NUMBERS[..], &WORDS].concat())))?;
        let varies = |found: &DataFrame, name: &str| {
            (0..found.height()).any(|row| number(found, name, row).is_some_and(|kinds| kinds > 1.0))
        };
        let order = [&WORDS[..2], &NUMBERS[..5], &WORDS[2..5], &NUMBERS[5..], &WORDS[5..]].concat();
        Ok(order.into_iter().filter(|name| varies(&in_all, name) || varies(&within, name)).collect())
    }

    /// The number that the sweep searched by.
    fn value(&self) -> Expr {
        let name = match &self.outcome.objective.metric {
            Metric::MeanNormalisedAccuracy => "mean_normalised".to_owned(),
            Metric::MeanAccuracy => "mean_accuracy".to_owned(),
            Metric::JointHits(k) => format!("hits_{k}"),
            Metric::Accuracy(task) => format!("accuracy.{task}"),
        };
        // A task that no result is of has no column.
        let is_there = self.frame.table().get_column_index(&name).is_some();
        let value = if is_there { col(name) } else { lit(polars::prelude::NULL) };
        value.cast(DataType::Float64)
    }
}

/// The column of a recipe's key.
pub(super) fn column(key: &str) -> Column {
    Column::new(key, if NUMBERS.contains(&key) { ColumnKind::Number } else { ColumnKind::Text })
}

/// A value of a polars table as a cell.
pub(super) fn cell(table: &DataFrame, name: &str, row: usize) -> Cell {
    match value(table, name, row) {
        Some(AnyValue::String(text)) => Cell::text(text),
        Some(AnyValue::StringOwned(text)) => Cell::text(text.as_str()),
        Some(AnyValue::UInt64(count)) => Cell::Count(count),
        Some(AnyValue::UInt32(count)) => Cell::Count(count.into()),
        Some(value) => Cell::number(value.try_extract().ok()),
        None => Cell::Empty,
    }
}

pub(super) fn number(table: &DataFrame, name: &str, row: usize) -> Option<f64> {
    value(table, name, row)?.try_extract().ok()
}

pub(super) fn text(table: &DataFrame, name: &str, row: usize) -> Option<String> {
    match value(table, name, row)? {
        AnyValue::String(text) => Some(text.to_owned()),
        // A column of one value has its own.
        AnyValue::StringOwned(text) => Some(text.to_string()),
        _ => None,
    }
}

fn value<'a>(table: &'a DataFrame, name: &str, row: usize) -> Option<AnyValue<'a>> {
    let value = table.column(name).ok()?.get(row).ok()?;
    Some(value).filter(|value| !value.is_null())
}
