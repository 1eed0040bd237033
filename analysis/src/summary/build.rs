use super::{
    Counts, Kind, RacedPoint, SearchSummary, Spent, SplitSummary, Splits, Summary, SummaryRow, TaskSummary,
    beaten::beaten_by,
    condition::ill_conditioned,
    devices::{mixed_devices, mixed_instructions},
    normalised::{Own, normalised_interval},
    optimism::optimism,
    published::{ReferenceSummary, publish},
    replicates::replicates,
    subsets::subset_sizes,
};
use crate::{Frame, FrameError, Problem, Results};
use jobs::{
    HITS_AT, JobId, JobResult, LeftOut, Outcome, Point, Raced, RecipeKey, RecipeSpec, Row, RowKind, RowReplicates,
    TaskScore, Timings, joint_hits, mean_accuracy, mean_interval,
};
use std::collections::{BTreeMap, BTreeSet};

/// Accuracies of the tasks' own adapters on one split.
type Denominators = BTreeMap<String, f64>;

impl Summary {
    /// What `outcome` came to, by the `results` that its rows name; seconds and problems are those of all its jobs,
    /// which are in `frame`.
    ///
    /// # Errors
    /// The frame does not answer.
    pub fn of_sweep(
        outcome: &Outcome,
        results: &Results,
        frame: &Frame,
        counts: Option<Counts>,
    ) -> Result<Self, FrameError> {
        let of_jobs = frame.problems().iter().filter(|problem| problem.sweep() == Some(&outcome.sweep));
        Ok(Self {
            problems: Problem::in_words(results.problems.iter().chain(of_jobs)),
            timings: frame.spent(&outcome.sweep)?,
            ..Self::build(outcome, results, counts)
        })
    }

    /// What `outcome` came to, by the `results` that are at hand.
    pub fn build(outcome: &Outcome, results: &Results, counts: Option<Counts>) -> Self {
        let denominators: BTreeMap<&str, Own> = [&outcome.select, &outcome.report]
            .map(|split| (split.as_str(), Own::of_split(outcome, results, split)))
            .into();
        let mut rows: Vec<SummaryRow> =
            outcome.rows.iter().map(|row| summarise(row, outcome, results, &denominators)).collect();
        mark_chosen(&mut rows, outcome);
        publish(&mut rows, outcome);
        let beaten_by = beaten_by(&rows, outcome, results);
        let notes = optimism(outcome, results)
            .into_iter()
            .chain(ill_conditioned(&rows))
            .chain(mixed_devices(outcome, results))
            .chain(mixed_instructions(outcome, results))
            .collect();
        Self {
            version: Self::VERSION,
            sweep: outcome.sweep.clone(),
            revision: outcome.revision,
            objective: outcome.objective.clone(),
            goals: outcome.goals.clone(),
            splits: Splits { select: outcome.select.clone(), report: outcome.report.clone() },
            tasks: outcome.tasks.clone(),
            counts,
            so_far: None,
            missing: outcome.missing,
            ended_early: outcome.ended_early,
            reference: ReferenceSummary::of(outcome),
            variant: outcome.variant.clone(),
            setup: outcome.setup,
            newest_ms: newest_ms(outcome, results),
            rows,
            beaten_by,
            notes,
            problems: Problem::in_words(&results.problems),
            timings: timings(outcome, results),
        }
    }
}

/// When the newest of the results in the rows was computed.
fn newest_ms(outcome: &Outcome, results: &Results) -> u64 {
    let jobs = outcome.rows.iter().flat_map(|row| row.jobs.values().flatten());
    jobs.filter_map(|job| results.found.get(job)).map(|result| result.run.finished_ms).max().unwrap_or_default()
}

/// The results of a row on one split.
fn results_of<'a>(row: &'a Row, split: &str, results: &'a Results) -> impl Iterator<Item = &'a JobResult> {
    row.jobs.get(split).into_iter().flatten().filter_map(|job| results.found.get(job))
}

/// The scores of a row on one split, in table order.
pub(crate) fn scores(row: &Row, split: &str, outcome: &Outcome, results: &Results) -> Vec<TaskScore> {
    let mut scores: Vec<TaskScore> = results_of(row, split, results).flat_map(|result| result.scores.clone()).collect();
    let place = |score: &TaskScore| outcome.tasks.iter().position(|task| *task == score.task);
    scores.sort_by_key(|score| place(score).unwrap_or(usize::MAX));
    scores
}

impl Own {
    /// Given accuracies, and measured ones where none is given.
    pub(crate) fn of_split(outcome: &Outcome, results: &Results, split: &str) -> Self {
        let mut own = Self::default();
        for row in outcome.rows.iter().filter(|row| row.kind == RowKind::Finetuned) {
            for score in scores(row, split, outcome, results) {
                own.accuracies.insert(score.task.clone(), score.accuracy());
                own.examples.insert(score.task, score.n);
            }
        }
        for (task, accuracy) in outcome.given_denominators.get(split).into_iter().flatten() {
            own.accuracies.insert(task.clone(), *accuracy);
            own.examples.remove(task);
        }
        own
    }
}

fn summarise(row: &Row, outcome: &Outcome, results: &Results, denominators: &BTreeMap<&str, Own>) -> SummaryRow {
    let (kind, recipe, canonical, search) = match &row.kind {
        RowKind::ZeroShot => (Kind::ZeroShot, None, None, None),
        RowKind::Finetuned => (Kind::Finetuned, None, None, None),
        RowKind::Ensemble { .. } => (Kind::Ensemble, None, None, None),
        RowKind::Baseline { spec, recipe } => (Kind::Baseline, Some(spec.clone()), Some(recipe.clone()), None),
        // Nothing was learned: the recipe says nothing.
        RowKind::Learned { .. } if row.jobs.values().all(Vec::is_empty) => (Kind::Learned, None, None, None),
        RowKind::Learned { spec, recipe } => (Kind::Learned, Some(spec.clone()), Some(recipe.clone()), None),
        // Every point failed, or one of its seeds, or the search stopped at a point that no machine could evaluate: the
        // recipe is where the search began, and nothing that it chose.
        RowKind::Search { points, left_out, .. } if is_without_choice(row, outcome, points) => {
            (Kind::Search, None, None, Some(count(points, left_out)))
        }
        RowKind::Search { spec, recipe, points, left_out } => {
            (Kind::Search, Some(spec.clone()), Some(recipe.clone()), Some(look_back(spec, points, left_out)))
        }
    };
    let mut splits = BTreeMap::new();
    let mut value = None;
    for (split, own) in denominators {
        let scores = scores(row, split, outcome, results);
        let given = outcome.given_denominators.get(*split).filter(|_| kind == Kind::Finetuned);
        if *split == outcome.select && scores.len() == outcome.tasks.len() {
            value = outcome.objective.metric.value(&scores, &own.accuracies);
        }
        if let Some(summary) = summarise_split(&scores, kind, given, own, &outcome.tasks) {
            splits.insert((*split).to_owned(), summary);
        }
    }
    let merge = results_of(row, &outcome.select, results).find_map(|result| result.merge.clone());
    let subsets = denominators
        .get(outcome.report.as_str())
        .map(|own| subset_sizes(row, outcome, results, own))
        .unwrap_or_default();
    let replicates = replicates(row, outcome, results, denominators);
    if let Some(replicates) = &replicates {
        value = replicates.whole_mean(&outcome.select);
    }
    SummaryRow {
        name: row.name.clone(),
        kind,
        is_chosen: false,
        value,
        recipe,
        canonical,
        search,
        merge,
        published: None,
        splits,
        replicates,
        subsets,
    }
}

fn summarise_split(
    scores: &[TaskScore],
    kind: Kind,
    given: Option<&Denominators>,
    own: &Own,
    tasks: &[String],
) -> Option<SplitSummary> {
    let row = |task: &String| {
        let score = scores.iter().find(|score| score.task == *task);
        let accuracy = score.map(TaskScore::accuracy).or_else(|| given?.get(task).copied())?;
        Some(TaskSummary {
            task: task.clone(),
            n: score.map(|score| score.n),
            correct: score.and_then(TaskScore::right_answers),
            accuracy,
            interval: score.map(TaskScore::interval),
            truncated: score.map_or(0, |score| score.truncated),
            normalised: own.accuracies.get(task).filter(|own| **own > 0.0).map(|own| accuracy / own),
        })
    };
    let rows: Vec<TaskSummary> = tasks.iter().filter_map(row).collect();
    if rows.is_empty() {
        return None;
    }
    let is_whole = rows.len() == tasks.len();
    let is_measured = scores.len() == tasks.len();
    let mean = |values: Option<Vec<f64>>| {
        let values = values.filter(|_| is_whole)?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    Some(SplitSummary {
        // The same sum as the metric's where it can be, to the last bit.
        mean_accuracy: if is_measured {
            Some(mean_accuracy(scores))
        } else {
            mean(Some(rows.iter().map(|row| row.accuracy).collect()))
        },
        interval: is_measured.then(|| mean_interval(scores)),
        mean_normalised: mean(rows.iter().map(|row| row.normalised).collect()),
        // An adapter over itself is 1, whatever the examples.
        normalised_interval: (is_measured && kind != Kind::Finetuned)
            .then(|| normalised_interval(scores, own))
            .flatten(),
        hits: HITS_AT.iter().filter_map(|k| Some((*k, joint_hits(scores, *k)?))).collect(),
        n: scores.iter().map(|score| score.n).sum(),
        tasks: rows,
    })
}

/// Whether a search has no job on the selection split: every choice has one.
fn is_without_choice(row: &Row, outcome: &Outcome, points: &[Point]) -> bool {
    points.iter().all(|point| point.value.is_none()) || row.jobs.get(&outcome.select).is_none_or(Vec::is_empty)
}

fn mark_chosen(rows: &mut [SummaryRow], outcome: &Outcome) {
    // A recipe of which nothing is known may be better than all of these.
    if outcome.missing > 0 {
        return;
    }
    // What was given was not chosen.
    let is_made = rows.iter().any(|row| row.kind.is_made());
    let competes = |row: &SummaryRow| if is_made { row.kind.is_made() } else { row.kind == Kind::Baseline };
    let mut best: Option<(usize, f64)> = None;
    for (index, row) in rows.iter().enumerate().filter(|(_, row)| competes(row)) {
        if let Some(value) = row.value
            && best.is_none_or(|(_, best)| outcome.objective.compare(value, best).is_gt())
        {
            best = Some((index, value));
        }
    }
    if let Some((index, _)) = best {
        rows[index].is_chosen = true;
    }
}

fn count(points: &[Point], left_out: &LeftOut) -> SearchSummary {
    SearchSummary {
        points: points.len() as u64 + left_out.points,
        failed: points.iter().filter(|point| point.is_failed()).count() as u64 + left_out.failed,
        raced: points.iter().filter_map(raced_point).collect(),
        examples_share: examples_share(points),
        at_lower_border: Vec::new(),
        at_upper_border: Vec::new(),
    }
}

fn raced_point(point: &Point) -> Option<RacedPoint> {
    let Raced { led, examples, of } = point.raced?;
    Some(RacedPoint { recipe: point.spec.clone(), led, examples, of })
}

/// The share of the examples of all listed points on which these were evaluated, if some were raced out.
fn examples_share(points: &[Point]) -> Option<f64> {
    let whole = points.iter().find_map(|point| point.raced)?.of;
    let examples = |point: &Point| point.raced.map_or(whole, |raced| raced.examples);
    let answered = points.iter().filter(|point| !point.is_failed());
    let of = answered.clone().count() as u64 * whole;
    Some(answered.map(examples).sum::<u64>() as f64 / of as f64)
}

/// What the points show about the choice.
fn look_back(chosen: &RecipeSpec, points: &[Point], left_out: &LeftOut) -> SearchSummary {
    let mut summary = count(points, left_out);
    let looked_at: Vec<BTreeMap<String, f64>> = points.iter().map(|point| point.spec.numbers()).collect();
    for (name, chosen) in chosen.numbers() {
        let values = looked_at.iter().filter_map(|numbers| numbers.get(&name).copied());
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        // A single value, or an end beyond which a recipe cannot go, is no border that could be moved.
        let Some(range) = RecipeKey::of(&name).and_then(RecipeKey::range).filter(|_| low < high) else { continue };
        if chosen <= low && range.reaches_below(chosen) {
            summary.at_lower_border.push(name);
        } else if chosen >= high && range.reaches_above(chosen) {
            summary.at_upper_border.push(name);
        }
    }
    summary
}

fn timings(outcome: &Outcome, results: &Results) -> Spent {
    let mut jobs: BTreeSet<JobId> = outcome.rows.iter().flat_map(|row| row.jobs.values().flatten().copied()).collect();
    for row in &outcome.rows {
        if let RowKind::Search { points, .. } = &row.kind {
            jobs.extend(points.iter().map(|point| point.job));
        }
        jobs.extend(row.subsets.iter().filter_map(|subset| subset.job));
        jobs.extend(row.replicates.iter().flat_map(RowReplicates::jobs).map(|(_, job)| job));
    }
    let mut found = 0;
    let mut sum = Timings::default();
    for result in jobs.iter().filter_map(|job| results.found.get(job)) {
        found += 1;
        sum.add(&result.timings);
    }
    results.slices.iter().for_each(|slice| sum.add(&slice.timings));
    let Timings { load_s, align_s, merge_s, evaluate_s } = sum;
    Spent { jobs: found, load_s, align_s, merge_s, evaluate_s }
}
