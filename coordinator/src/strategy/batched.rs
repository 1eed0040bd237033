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
/// - In races, the best point is the last leader, and its value is asked for at the end. A leader whose evaluation on all examples
///   fails gives way to the best of the others that did not lose.
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
    /// The leaders whose values were asked for.
    completed: HashSet<JobId>,
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
            completed: HashSet::new(),
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
        if self.end == Some(End::Finished)
            && let Some(leader) = self.leader(known)
        {
            let is_new = self.completed.insert(leader.id);
            return Ok(if is_new { NextPoint::Complete(Box::new(leader)) } else { NextPoint::Wait });
        }
        Ok(NextPoint::Done(Box::new(self.so_far(known))))
    }

    /// The best point so far if it is known only that it is the best, and its value is not.
    pub(super) fn leader(&self, known: &impl PointResults) -> Option<Candidate> {
        let points = self.read(known);
        let (candidate, result) = self.best_of(&points, known)?;
        (result == PointResult::Leader && known.whole(&candidate.id).is_none()).then_some(candidate)
    }

    /// The points of the current batch that are not asked for yet.
    pub(super) fn unasked(&self) -> impl Iterator<Item = &Candidate> {
        self.batch[self.requested..].iter().flatten().filter(|candidate| !self.seen.contains(&candidate.id))
    }

    pub(super) fn batches(&self) -> &B {
        &self.batches
    }

    /// Reads the results of the current batch, and asks for the next one.
    fn finish_batch(&mut self, results: &[PointResult], known: &impl PointResults) -> Result<(), StrategyError> {
        let batch = std::mem::take(&mut self.batch);
        self.requested = 0;
        let is_first = batch.is_empty();
        if self.ranking.seeks_trade_offs {
            self.goals.extend(batch.iter().map(|point| known.goals(&point.as_ref()?.id)));
        }
        let gain = |(point, result): (&Option<Candidate>, &PointResult)| self.gain(point.as_ref()?.id, *result, known);
        let gains: Vec<Option<f64>> = batch.iter().zip(results).map(gain).collect();
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

    /// How good a point is: more is better.
    fn gain(&self, id: JobId, result: PointResult, known: &impl PointResults) -> Option<f64> {
        if known.is_raced() {
            return known.raced_gain(&id);
        }
        let value = match result {
            PointResult::Value(value) => value,
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
        let is_any_missing = choice.points.iter().any(|(_, result)| *result == PointResult::Missing);
        // The last leader is missing if no machine can determine its value. The values of those before it are not asked for.
        let leader = self.best_of(&choice.points, known).filter(|(_, result)| *result == PointResult::Leader);
        let is_leader_missing = leader.is_some_and(|(leader, _)| known.whole(&leader.id) == Some(PointResult::Missing));
        if is_any_missing || is_leader_missing {
            return Choice { best: None, ..choice };
        }
        choice
    }

    /// The points whose results are known, and the best of them, even if one is missing. A best point without a value gives way to the
    /// best value.
    pub(super) fn best_known(&self, known: &impl PointResults) -> Choice {
        let points = self.read(known);
        let valued = |(candidate, result): (Candidate, PointResult)| {
            let value = value_of(&candidate, result, known)?;
            Some((candidate, value))
        };
        let best = self.best_of(&points, known).and_then(valued).or_else(|| self.best_value(&points, known));
        let misfits = self.misfits.len() as u64;
        Choice { best, points, left_out: LeftOut { points: misfits, failed: misfits } }
    }

    /// The points whose results are known, each once, in order.
    fn read(&self, known: &impl PointResults) -> Vec<(Candidate, PointResult)> {
        let mut points = self.points.clone();
        for candidate in self.batch[..self.requested].iter().flatten() {
            if let Some(result) = known.of(&candidate.id)
                && !points.iter().any(|(point, _)| point.id == candidate.id)
            {
                points.push((candidate.clone(), result));
            }
        }
        points
    }

    /// The first of the best points, with or without a value.
    fn best_of(
        &self,
        points: &[(Candidate, PointResult)],
        known: &impl PointResults,
    ) -> Option<(Candidate, PointResult)> {
        let mut best: Option<(usize, f64)> = None;
        for (place, (candidate, result)) in points.iter().enumerate() {
            let has_lost = *result == PointResult::Eliminated;
            let has_failed = known.whole(&candidate.id) == Some(PointResult::Failed);
            if !has_lost
                && !has_failed
                && let Some(gain) = self.gain(candidate.id, *result, known)
                && best.is_none_or(|(_, best)| gain > best)
            {
                best = Some((place, gain));
            }
        }
        best.map(|(place, _)| points[place].clone())
    }

    /// The first of the points with the best value.
    fn best_value(&self, points: &[(Candidate, PointResult)], known: &impl PointResults) -> Option<(Candidate, f64)> {
        let mut best: Option<(&Candidate, f64)> = None;
        for (candidate, result) in points {
            if let Some(value) = value_of(candidate, *result, known)
                && best.is_none_or(|(_, best)| self.ranking.objective.compare(value, best).is_gt())
            {
                best = Some((candidate, value));
            }
        }
        best.map(|(candidate, value)| (candidate.clone(), value))
    }
}

/// The value of a point, also of a leader whose value is known.
fn value_of(candidate: &Candidate, result: PointResult, known: &impl PointResults) -> Option<f64> {
    let result = match result {
        PointResult::Leader => known.whole(&candidate.id)?,
        PointResult::Value(_) | PointResult::Failed | PointResult::Missing | PointResult::Eliminated => result,
    };
    match result {
        PointResult::Value(value) => Some(value).filter(|value| value.is_finite()),
        PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => None,
    }
}
