use super::{
    error::StrategyError,
    point::{Candidate, Choice, NextPoint, PointResult, PointResults},
    ranking::Ranking,
};
use jobs::{Goal, JobId, LeftOut, RecipeSpec};
use std::collections::HashSet;

/// A method that asks for points in batches, and reads the results of a whole batch before it asks for the next one.
///
/// What it asks for is a function of the results that it has read. A search is therefore repeated from stored results
/// by asking and telling again, and the order in which results of a batch arrive does not matter.
pub(super) trait Batches {
    /// The next points; none at the end of the search.
    fn ask(&mut self) -> Result<Vec<RecipeSpec>, StrategyError>;

    /// How good the asked points are, in the same order: more is better; `None` is worse than every number.
    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError>;

    /// How good all points are that were asked for so far, in order. Where several goals are sought, a later point changes how good
    /// the earlier ones are. A method that learns from the last batch alone needs no more than [`tell`](Self::tell).
    fn revise(&mut self, gains: &[Option<f64>]) {
        let _ = gains;
    }

    /// The largest number of points that it asks for.
    fn bound(&self) -> u64;
}

/// The state of a search in batches.
///
/// - Every point is evaluated once, even if several batches have it.
/// - A failed point is worse than every value, and so is one whose value is no finite number.
/// - A point whose values describe no merge together counts as failed, without a job. The choice counts it among the points
///   that it does not list.
/// - If a search has read ten points or more and all of them failed, it ends: the others would most likely fail as well.
/// - A missing point, whose value no machine could determine, ends the search without a choice after its batch.
/// - The best point is the first of those with the best value, in the order in which the method asked for them.
#[derive(Debug, Clone)]
pub(super) struct Batched<B> {
    ranking: Ranking,
    batches: B,
    /// The current batch; `None` for values that describe no merge together.
    batch: Vec<Option<Candidate>>,
    /// The points of the batch before this position are requested, or were known.
    requested: usize,
    /// The values of the goals of all points of the earlier batches, in the order in which the method asked for them.
    goals: Vec<Option<Vec<f64>>>,
    /// The points of the earlier batches, each once, in order.
    points: Vec<(Candidate, PointResult)>,
    /// The jobs of these points.
    listed: HashSet<JobId>,
    /// The jobs of points that were requested or read.
    seen: HashSet<JobId>,
    /// The points that describe no merge, as canonical JSON.
    misfits: HashSet<String>,
    end: Option<End>,
}

/// A search whose first points all failed ends after so many.
const MOST_FAILURES: usize = 10;

/// Why a search has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The method asks for no more points.
    Finished,
    /// All points failed.
    AllFailed,
    /// A point is missing, so the rest of the search is unknown.
    Stuck,
}

impl<B: Batches> Batched<B> {
    pub(super) fn new(ranking: Ranking, batches: B) -> Self {
        Self {
            ranking,
            batches,
            batch: Vec::new(),
            requested: 0,
            goals: Vec::new(),
            points: Vec::new(),
            listed: HashSet::new(),
            seen: HashSet::new(),
            misfits: HashSet::new(),
            end: None,
        }
    }

    pub(super) fn bound(&self) -> u64 {
        self.batches.bound()
    }

    pub(super) fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        while self.end.is_none() {
            while let Some(point) = self.batch.get(self.requested) {
                self.requested += 1;
                if let Some(candidate) = point
                    && self.seen.insert(candidate.id)
                    && known.of(&candidate.id).is_none()
                {
                    return Ok(NextPoint::Evaluate(Box::new(candidate.clone())));
                }
            }
            let result = |point: &Option<Candidate>| match point {
                Some(candidate) => known.of(&candidate.id),
                None => Some(PointResult::Failed),
            };
            let results = self.batch.iter().map(result).collect::<Option<Vec<_>>>();
            let Some(results) = results else { return Ok(NextPoint::Wait) };
            self.finish_batch(&results, known)?;
        }
        Ok(NextPoint::Done(Box::new(self.so_far(known))))
    }

    /// Reads the results of the current batch, and asks for the next one.
    fn finish_batch(&mut self, results: &[PointResult], known: &impl PointResults) -> Result<(), StrategyError> {
        let batch = std::mem::take(&mut self.batch);
        self.requested = 0;
        let is_first = batch.is_empty();
        if self.ranking.seeks_trade_offs {
            self.goals.extend(batch.iter().map(|point| known.goals(&point.as_ref()?.id)));
        }
        let gains: Vec<Option<f64>> = results.iter().map(|result| self.gain(*result)).collect();
        self.add_points(batch, results);
        if results.contains(&PointResult::Missing) {
            self.end = Some(End::Stuck);
            return Ok(());
        }
        let has_failed = self.points.iter().all(|(_, result)| *result == PointResult::Failed);
        if has_failed && self.points.len() + self.misfits.len() >= MOST_FAILURES {
            self.end = Some(End::AllFailed);
            return Ok(());
        }
        if !is_first {
            self.tell(&gains)?;
        }
        let specs = self.batches.ask()?;
        if specs.is_empty() {
            self.end = Some(End::Finished);
        }
        for spec in specs {
            match spec.resolve() {
                Ok(recipe) => {
                    let id = known.id(&recipe);
                    self.batch.push(Some(Candidate { spec, recipe, id }));
                }
                Err(_) => {
                    self.misfits.insert(jobs::canonical_json(&spec));
                    self.batch.push(None);
                }
            }
        }
        Ok(())
    }

    /// Tells the method how good the points of a batch are: by their values, or as trade-offs.
    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError> {
        if !self.ranking.seeks_trade_offs {
            return self.batches.tell(gains);
        }
        let all = jobs::trade_off_gains(&self.goals);
        self.batches.tell(&all[all.len() - gains.len()..])?;
        self.batches.revise(&all);
        Ok(())
    }

    fn add_points(&mut self, batch: Vec<Option<Candidate>>, results: &[PointResult]) {
        for (point, result) in batch.into_iter().zip(results) {
            if let Some(candidate) = point
                && self.listed.insert(candidate.id)
            {
                self.points.push((candidate, *result));
            }
        }
    }

    /// How good a result is: more is better.
    fn gain(&self, result: PointResult) -> Option<f64> {
        let value = match result {
            PointResult::Value(value) => value,
            // A search that learns from values has no races.
            PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => return None,
        };
        let gain = match self.ranking.objective.goal {
            Goal::Maximize => value,
            Goal::Minimize => -value,
        };
        gain.is_finite().then_some(gain)
    }

    /// The points whose results are known, and the best of them unless one is missing.
    pub(super) fn so_far(&self, known: &impl PointResults) -> Choice {
        let choice = self.best_known(known);
        if choice.points.iter().any(|(_, result)| *result == PointResult::Missing) {
            return Choice { best: None, ..choice };
        }
        choice
    }

    /// The points whose results are known, and the best of them, even if one is missing.
    pub(super) fn best_known(&self, known: &impl PointResults) -> Choice {
        let mut points = self.points.clone();
        for candidate in self.batch[..self.requested].iter().flatten() {
            if let Some(result) = known.of(&candidate.id)
                && !points.iter().any(|(point, _)| point.id == candidate.id)
            {
                points.push((candidate.clone(), result));
            }
        }
        let mut best: Option<(Candidate, f64)> = None;
        for (candidate, result) in &points {
            if let PointResult::Value(value) = result
                && value.is_finite()
                && best.as_ref().is_none_or(|(_, best)| self.ranking.objective.compare(*value, *best).is_gt())
            {
                best = Some((candidate.clone(), *value));
            }
        }
        let misfits = self.misfits.len() as u64;
        Choice { best, points, left_out: LeftOut { points: misfits, failed: misfits } }
    }
}
