pub(super) use super::columns::{MEAN, METHOD, VALUE, WORST, numbers, words};

use super::{Axis, AxisScale, AxisUnit, parameter::Parameter};
use crate::{
    Frame, Kind, Summary,
    metric::{column_of, in_words},
};
use jobs::{BelongsTo, Goal, KeyKind, Metric, RecipeKey};
use polars::prelude::{
    DataFrame, DataType, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, NamedFrom, PolarsResult, Series,
    SortMultipleOptions, col, lit, min_horizontal, when,
};
use std::{cmp::Reverse, collections::BTreeMap};

const PLACE: &str = "the place";

/// Texts of weights that are taken apart; a sweep that has more of them is not searching a few.
const MOST_WEIGHTS: usize = 20_000;

/// The points of a sweep's searches: the merges on the selection split that have a value, one row each.
///
/// A point belongs to the search that names it, and a fixed recipe to its preset.
pub(super) struct Points {
    /// [`METHOD`], [`VALUE`], [`MEAN`], [`WORST`], `job`, `finished_ms`, and the parameters.
    pub(super) table: DataFrame,
    /// The parameters of which some search tried several values.
    pub(super) parameters: Vec<Parameter>,
    /// The searches with their numbers of points, the chosen one first, then by their numbers.
    pub(super) methods: Vec<(String, u64)>,
    /// The axis of [`VALUE`].
    pub(super) objective: Axis,
    /// The axes of [`MEAN`] and [`WORST`], which are the first two goals if the sweep has goals.
    pub(super) of_tasks: [Axis; 2],
    pub(super) goal: Goal,
}

impl Points {
    pub(super) fn of(frame: &Frame, summary: &Summary) -> PolarsResult<Self> {
        let searched = rows_of(frame, summary).filter(of_selection(summary));
        let has = |name: &str| frame.table().column(name).is_ok();
        let metric = column_of(&summary.objective.metric);
        let (prefix, mean) = match &summary.objective.metric {
            Metric::MeanNormalisedAccuracy | Metric::WorstNormalisedAccuracy => ("normalised", "mean_normalised"),
            Metric::MeanAccuracy | Metric::WorstAccuracy | Metric::JointHits(_) | Metric::Accuracy(_) => {
                ("accuracy", "mean_accuracy")
            }
        };
        let tasks: Vec<Expr> = summary
            .tasks
            .iter()
            .map(|task| format!("{prefix}.{task}"))
            .filter(|name| has(name))
            .map(|name| col(name.as_str()))
            .collect();
        let none = || lit(f64::NAN);
        let worst = if tasks.is_empty() { none() } else { min_horizontal(&tasks)? };
        let of_goal = |goal: &Metric| {
            let name = column_of(goal);
            if has(&name) { col(name.as_str()) } else { none() }
        };
        let [first, second] = match summary.goals.as_slice() {
            [first, second, ..] => [of_goal(first), of_goal(second)],
            _ => [if has(mean) { col(mean) } else { none() }, worst],
        };
        let mut columns = vec![
            method(summary).alias(METHOD),
            if has(&metric) { col(metric.as_str()) } else { none() }.alias(VALUE),
            first.alias(MEAN),
            second.alias(WORST),
            col("job"),
            col("finished_ms"),
            col("weights"),
        ];
        columns.extend(number_keys().map(|name| col(name).cast(DataType::Float64)));
        columns.extend(word_keys().map(col));
        let table = searched.select(columns).filter(col(VALUE).is_finite()).collect()?;
        let (table, weights) = with_weights(table)?;
        let numbers = number_keys().map(str::to_owned).chain(weights).map(|name| (name, true));
        let names: Vec<(String, bool)> = numbers.chain(word_keys().map(|name| (name.to_owned(), false))).collect();
        let parameters = Parameter::of(&table, &names)?;
        let methods = methods(&table, summary)?;
        let share = |name: String| Axis { name, unit: AxisUnit::Share, scale: AxisScale::Linear };
        let split = &summary.splits.select;
        let normalised = if prefix == "normalised" { "normalised accuracy" } else { "accuracy" };
        Ok(Self {
            table,
            parameters,
            methods,
            objective: share(format!("{} on {split}", in_words(&summary.objective.metric))),
            of_tasks: match summary.goals.as_slice() {
                [first, second, ..] => [first, second].map(|goal| share(format!("{} on {split}", in_words(goal)))),
                _ => [
                    share(format!("mean {normalised} on {split}")),
                    share(format!("worst task's {normalised} on {split}")),
                ],
            },
            goal: summary.objective.goal,
        })
    }

    /// Whether `one` is a better value than `other`.
    pub(super) fn is_better(&self, one: f64, other: f64) -> bool {
        match self.goal {
            Goal::Maximize => one > other,
            Goal::Minimize => one < other,
        }
    }

    /// The number of points.
    pub(super) fn len(&self) -> u64 {
        self.table.height() as u64
    }

    pub(super) fn lazy(&self) -> LazyFrame {
        self.table.clone().lazy()
    }

    /// The best of an expression's values within a group.
    pub(super) fn best(&self, values: Expr) -> Expr {
        match self.goal {
            Goal::Maximize => values.max(),
            Goal::Minimize => values.min(),
        }
    }

    /// The order that puts the best first.
    pub(super) fn best_first(&self) -> SortMultipleOptions {
        SortMultipleOptions::default().with_order_descending(self.goal == Goal::Maximize).with_maintain_order(true)
    }

    /// The same with one row for each recipe without its seed: [`VALUE`] becomes the mean over seeds, `sd` their
    /// standard deviation, `n` their number. Where nothing was tried with several seeds, `n` is 1 and `sd` null.
    pub(super) fn over_seeds(&self) -> LazyFrame {
        let table = self.lazy();
        if !self.has_seeds() {
            return table.with_columns([lit(1u32).alias("n"), lit(f64::NAN).alias("sd")]);
        }
        let mut keys = vec![col(METHOD)];
        keys.extend(self.parameters.iter().filter(|parameter| !parameter.is_seed()).map(|p| col(p.name.as_str())));
        table.group_by_stable(keys).agg([
            col(VALUE).mean(),
            col(VALUE).std(1).alias("sd"),
            col(VALUE).count().cast(DataType::UInt32).alias("n"),
        ])
    }

    pub(super) fn has_seeds(&self) -> bool {
        self.parameters.iter().any(Parameter::is_seed)
    }

    /// The parameters that are numbers, but for the seed.
    pub(super) fn numbers(&self) -> impl Iterator<Item = &Parameter> {
        self.parameters.iter().filter(|parameter| parameter.words.is_none() && !parameter.is_seed())
    }
}

/// A method's palette index: that of its row in the sweep's table, or one after all rows for a preset.
pub(super) fn look_of(method: &str, points: &Points, summary: &Summary) -> usize {
    let behind = || points.methods.iter().position(|(name, _)| name == method).unwrap_or_default();
    let row = summary.rows.iter().position(|row| row.name == method);
    row.unwrap_or_else(|| summary.rows.len() + behind())
}

/// The rows of the sweep.
pub(super) fn rows_of(frame: &Frame, summary: &Summary) -> LazyFrame {
    frame.table().clone().lazy().filter(col("sweep").eq(lit(summary.sweep.as_str())))
}

fn of_selection(summary: &Summary) -> Expr {
    // A merge of a subset of the tasks is no point of a search.
    let is_whole = col("adapters").eq(lit(summary.tasks.len() as u64));
    col("subject").eq(lit("merge")).and(col("split").eq(lit(summary.splits.select.as_str()))).and(is_whole)
}

/// The search that a point is of, else its preset.
fn method(summary: &Summary) -> Expr {
    let searches = summary.rows.iter().filter(|row| row.kind == Kind::Search);
    let is_search = searches.fold(lit(false), |is, row| is.or(col("row").eq(lit(row.name.as_str()))));
    when(is_search).then(col("row")).otherwise(col("method"))
}

/// The keys of recipes that are numbers, the most telling first: those that every merge has before those of some, and
/// of these what costs least to change, for it is searched most. Seeds are last.
fn number_keys() -> impl Iterator<Item = &'static str> {
    let mut keys: Vec<&RecipeKey> = RecipeKey::resolved().filter(|key| key.is_number()).collect();
    let is_of_some = |key: &RecipeKey| key.belongs_to() != BelongsTo::Every;
    keys.sort_by_key(|key| (key.kind() == KeyKind::Seed, is_of_some(key), Reverse(key.cost_order())));
    keys.into_iter().map(RecipeKey::name)
}

/// The keys of recipes that are words.
fn word_keys() -> impl Iterator<Item = &'static str> {
    RecipeKey::resolved().filter(|key| key.kind() == KeyKind::Word).map(RecipeKey::name)
}

/// The searches with their numbers of points, the chosen one first.
fn methods(table: &DataFrame, summary: &Summary) -> PolarsResult<Vec<(String, u64)>> {
    let counted = table.clone().lazy().group_by([col(METHOD)]).agg([col(VALUE).count().alias("n")]).collect()?;
    let names = words(&counted, METHOD)?;
    let counts = numbers(&counted, "n")?;
    let mut methods: Vec<(String, u64)> = names
        .into_iter()
        .zip(counts)
        .filter_map(|(name, count)| Some((name?, count.unwrap_or_default() as u64)))
        .collect();
    let chosen = summary.best().map(|row| row.name.as_str());
    methods.sort_by_key(|(name, count)| (chosen != Some(name), Reverse(*count), name.clone()));
    Ok(methods)
}

/// The table with a column `weights.<task>` for each task that some recipe weighs; their names.
fn with_weights(table: DataFrame) -> PolarsResult<(DataFrame, Vec<String>)> {
    let texts = table.clone().lazy().select([col("weights")]).filter(col("weights").is_not_null());
    let texts = texts.unique(None, Default::default()).sort(["weights"], Default::default()).collect()?;
    if texts.height() == 0 || texts.height() > MOST_WEIGHTS {
        return Ok((table, Vec::new()));
    }
    let read = |text: Option<String>| serde_json::from_str(&text.unwrap_or_default()).unwrap_or_default();
    let weights: Vec<BTreeMap<String, f64>> = words(&texts, "weights")?.into_iter().map(read).collect();
    let mut tasks: Vec<&String> = weights.iter().flat_map(BTreeMap::keys).collect();
    tasks.sort();
    tasks.dedup();
    let names: Vec<String> = tasks.iter().map(|task| format!("weights.{task}")).collect();
    let mut columns = texts.clone();
    for (task, name) in tasks.iter().zip(&names) {
        let of_task: Vec<f64> = weights.iter().map(|weights| weights.get(*task).copied().unwrap_or(1.0)).collect();
        columns.with_column(Series::new(name.as_str().into(), of_task).into())?;
    }
    let unweighted = names.iter().map(|name| col(name.as_str()).fill_null(lit(1.0)));
    // An inner order for the join: the table's own.
    let joined = table
        .lazy()
        .with_row_index(PLACE, None)
        .join(columns.lazy(), [col("weights")], [col("weights")], JoinArgs::new(JoinType::Left))
        .sort([PLACE], Default::default())
        .with_columns(unweighted.collect::<Vec<_>>())
        .collect()?;
    Ok((joined.drop(PLACE)?, names))
}

/// At most `most` rows of `table`, in its order: the same ones each time, and not in step with any grid.
pub(super) fn sampled(table: LazyFrame, most: u32) -> LazyFrame {
    const KEY: &str = "the key";
    // Multiples of the golden ratio spread evenly, and no period of the rows goes into them.
    let key = (col(PLACE).cast(DataType::UInt64) * lit(2_654_435_769_u64)) % lit(1_u64 << 32);
    table
        .with_row_index(PLACE, None)
        .with_columns([key.alias(KEY)])
        .sort([KEY], Default::default())
        .limit(most)
        .sort([PLACE], Default::default())
        .select([polars::prelude::all().exclude_cols([PLACE, KEY]).as_expr()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_recipes_can_be_a_parameter_the_most_telling_first() {
        let numbers: Vec<&str> = number_keys().collect();
        let telling = ["scaling", "density", "drop_rate", "common_share", "sigma_cut", "sigma_cut_relative", "seed"];
        let known: Vec<&str> = numbers.iter().copied().filter(|name| telling.contains(name)).collect();
        assert_eq!(known, telling);
        let per_task = RecipeKey::resolved()
            .filter(|key| matches!(key.kind(), KeyKind::PerTask | KeyKind::PerLayer))
            .map(RecipeKey::name);
        let mut drawn: Vec<&str> = numbers.into_iter().chain(word_keys()).chain(per_task).collect();
        let mut all: Vec<&str> = RecipeKey::resolved().map(RecipeKey::name).collect();
        drawn.sort_unstable();
        all.sort_unstable();
        assert_eq!(drawn, all);
    }
}
