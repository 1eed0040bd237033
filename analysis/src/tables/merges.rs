use super::{
    Column, ColumnKind,
    front::goal_column,
    uncertainty::Uncertainty,
    values::{number, text},
};
use crate::{Frame, FrameError, Summary, metric::column_of};
use jobs::{BelongsTo, Goal, Interval, JobId, KeyKind, Metric, Outcome, RecipeKey, RowKind};
use polars::prelude::{DataFrame, DataType, Expr, LazyFrame, NULL, SortMultipleOptions, col, lit, when};
use std::collections::HashMap;

/// The keys of recipes that have a column.
pub(super) fn keys() -> impl Iterator<Item = &'static str> + Clone {
    RecipeKey::resolved().map(RecipeKey::name)
}

/// Whether the column of a key holds numbers.
pub(super) fn is_number(key: &str) -> bool {
    RecipeKey::of(key).is_some_and(RecipeKey::is_number)
}

/// Whether a key is shown wherever it varies: a number that every merge has. The others mostly follow from the method,
/// and are shown where they vary within one.
fn is_main(key: &RecipeKey) -> bool {
    key.kind() == KeyKind::Number && key.belongs_to() == BelongsTo::Every
}

/// The merges of one sweep, and the number that it searched by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merges<'a> {
    pub(super) frame: &'a Frame,
    pub(super) outcome: &'a Outcome,
    pub(super) summary: &'a Summary,
}

impl Merges<'_> {
    /// The merges of all tasks that have a value on `split`: their keys, `method`, `row`, `job`, `n`, the value as `value`, the
    /// [goals](goal_column), and the
    /// [counts](Self::counts) of the tasks.
    pub(super) fn on(&self, split: &str) -> LazyFrame {
        let is_ours = col("sweep").eq(lit(self.outcome.sweep.as_str()));
        // A merge of a subset of the tasks is another thing than one of all.
        let is_whole = col("adapters").eq(lit(self.outcome.tasks.len() as u64));
        let is_merge = col("subject").eq(lit("merge")).and(col("split").eq(lit(split))).and(is_whole);
        let columns = ["method", "row", "job", "n"].into_iter().chain(keys()).map(col);
        let value = self.value().alias("value");
        self.frame
            .lazy()
            .filter(is_ours.and(is_merge))
            .select(
                columns
                    .chain([value])
                    .chain(self.goals())
                    .chain(self.counts().into_iter().map(col))
                    .collect::<Vec<Expr>>(),
            )
            .filter(col("value").is_not_null().and(col("value").is_finite()))
    }

    /// The columns for a value's uncertainty, as far as the frame has them: a task without results has none.
    pub(super) fn counts(&self) -> Vec<String> {
        let is_there = |name: &String| self.frame.table().get_column_index(name).is_some();
        Uncertainty::columns(&self.outcome.tasks).filter(is_there).collect()
    }

    /// The number by which a merge is ranked. Of a row with replicates the best seed of the chosen point is ranked by the mean
    /// over seeds, and no other of its merges is: one of them is the luckiest of many.
    fn rank(&self) -> Expr {
        let rows = self.summary.rows.iter().filter(|row| row.replicates.is_some());
        rows.fold(col("value"), |rank, row| {
            let own = self.outcome.rows.iter().find(|own| own.name == row.name);
            let job = own.and_then(|own| own.jobs.get(&self.outcome.select)?.first());
            let job = job.map_or_else(String::new, ToString::to_string);
            when(col("job").eq(lit(job)))
                .then(row.value.map_or(lit(NULL), lit))
                .when(col("row").eq(lit(row.name.as_str())))
                .then(lit(NULL))
                .otherwise(rank)
        })
    }

    /// Those of the selection split, the best first. Of equal ones those that the sweep chose go first.
    pub(super) fn ranked(&self) -> LazyFrame {
        let chosen: Vec<JobId> = self.of_rows(&self.outcome.select).map(|(_, job)| job).collect();
        let is_chosen =
            chosen.iter().fold(lit(false), |is_chosen, job| is_chosen.or(col("job").eq(lit(job.to_string()))));
        let is_more_better = self.outcome.objective.goal == Goal::Maximize;
        let order = SortMultipleOptions::default()
            .with_order_descending_multi([is_more_better, true])
            .with_nulls_last(true)
            .with_maintain_order(true);
        let columns = [is_chosen.alias("is_chosen"), self.rank().cast(DataType::Float64).alias("rank")];
        let merges = self.on(&self.outcome.select).with_columns(columns);
        merges.sort(["rank", "is_chosen"], order)
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
            RowKind::Baseline { .. } | RowKind::Learned { .. } | RowKind::Search { .. } => {
                Some((index, *row.jobs.get(split)?.first()?))
            }
            RowKind::ZeroShot | RowKind::Finetuned | RowKind::Ensemble { .. } => None,
        })
    }

    /// The keys that vary among the merges on `split`, in the order of a recipe.
    pub(super) fn varying(&self, split: &str) -> Result<Vec<&'static str>, FrameError> {
        let merges = self.on(split);
        // Where a step is not taken, its keys have no value; that is no other one.
        let kinds = |keys: &[&str]| keys.iter().map(|key| col(*key).drop_nulls().n_unique()).collect::<Vec<Expr>>();
        let all: Vec<&str> = keys().collect();
        let main: Vec<&str> = RecipeKey::resolved().filter(|key| is_main(key)).map(RecipeKey::name).collect();
        let in_all = Frame::answer(merges.clone().select(kinds(&main)))?;
        let within = Frame::answer(merges.group_by([col("method")]).agg(kinds(&all)))?;
        let varies = |found: &DataFrame, name: &str| {
            (0..found.height()).any(|row| number(found, name, row).is_some_and(|kinds| kinds > 1.0))
        };
        Ok(all.into_iter().filter(|name| varies(&in_all, name) || varies(&within, name)).collect())
    }

    /// The values of the goals, under their [`goal_column`].
    fn goals(&self) -> Vec<Expr> {
        let goals = self.summary.goals.iter().enumerate();
        goals.map(|(place, goal)| self.metric(goal).alias(goal_column(place))).collect()
    }

    /// The number that the sweep searched by.
    fn value(&self) -> Expr {
        self.metric(&self.outcome.objective.metric)
    }

    fn metric(&self, metric: &Metric) -> Expr {
        let name = column_of(metric);
        // A task that no result is of has no column.
        let is_there = self.frame.table().get_column_index(&name).is_some();
        let value = if is_there { col(name) } else { lit(NULL) };
        value.cast(DataType::Float64)
    }
}

/// The column of a recipe's key.
pub(super) fn column(key: &str) -> Column {
    Column::new(key, if is_number(key) { ColumnKind::Number } else { ColumnKind::Text })
}
