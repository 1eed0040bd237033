mod ahead;
mod standing;

use super::{
    error::{StrategyError, combination, resolve},
    point::{Candidate, Choice, NextPoint, PointResult, PointResults},
    ranking::Ranking,
};
use jobs::{JobId, LeftOut, RecipeSpec, Search};
use serde_json::Value;
use standing::{Standing, Worth};
use std::collections::{HashMap, HashSet};

/// The paper's search: one parameter after the other, in file order, the others fixed at the best value so far.
///
/// - The search starts from the recipe as written. That point itself is evaluated only if a scan passes over it, or
///   if there is no parameter at all.
/// - A *scan* gives one parameter its listed values in listed order and stops at the first value that is worse than the
///   best of this scan. An equal value replaces the best and the scan continues ([`Ties::Last`](super::Ties::Last)),
///   or stops it ([`Ties::First`](super::Ties::First)). The reference uses the first rule per task, the second jointly.
/// - A failed point is worse than every value: it stops a scan that has a best point, and a scan without one skips it.
/// - A missing point, whose value no machine could determine, ends the search without a choice.
/// - After a scan the parameter takes the best value of the scan. It keeps its value if the best point so far is
///   better than every point of the scan, by the same rule about ties, or if the whole scan failed.
///
/// Every point is evaluated once, even if several scans pass over it. No other point is read: what is evaluated ahead for idle
/// workers ([`Linear::ahead`]) stays unread unless the search comes to it.
///
/// In a race, a point may stand above all points before without a value ([`PointResult::Leader`]): the search then asks for the
/// value only where it has to compare the point with a later one, and of its choice. A point that is raced out counts as worse. It was
/// held against the best point of all scans, so that the second and later scans of a race may stop at a value, or pass over one, where
/// a search with all values would not.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    search: String,
    parameters: Vec<ScannedParameter>,
    ranking: Ranking,
    /// The recipe that the scan varies.
    spec: RecipeSpec,
    /// The recipes that the scans before have varied.
    scanned: Vec<RecipeSpec>,
    /// The best point of all scans that are over.
    incumbent: Option<Standing>,
    /// The best point of the current scan.
    best: Option<Standing>,
    /// The index of the parameter that the current scan varies.
    parameter: usize,
    /// The index of the scan's next value.
    value: usize,
    /// The scan is over, and its best point not yet compared with the incumbent.
    is_scan_over: bool,
    points: Vec<(Candidate, PointResult)>,
    /// The positions in `points`.
    visited: HashMap<JobId, usize>,
    requested: Option<JobId>,
    /// The points whose values were asked for.
    completed: HashSet<JobId>,
    /// A point is missing, so the rest of the search is unknown.
    is_stuck: bool,
}

/// The number of a scan of a linear search or a bracket, ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan(pub(crate) u64);

#[derive(Debug, Clone)]
struct ScannedParameter {
    key: String,
    values: Vec<Value>,
}

impl Linear {
    pub(super) fn new(search: &Search, ranking: Ranking) -> Result<Self, StrategyError> {
        let parameters = search.parameters.iter().map(|parameter| match parameter.values.listed() {
            Some(values) => Ok(ScannedParameter { key: parameter.key.clone(), values: values.to_vec() }),
            None => Err(StrategyError::Continuous { search: search.name.clone(), key: parameter.key.clone() }),
        });
        Ok(Self {
            search: search.name.clone(),
            parameters: parameters.collect::<Result<_, _>>()?,
            ranking,
            spec: search.recipe.clone(),
            scanned: Vec::new(),
            incumbent: None,
            best: None,
            parameter: 0,
            value: 0,
            is_scan_over: false,
            points: Vec::new(),
            visited: HashMap::new(),
            requested: None,
            completed: HashSet::new(),
            is_stuck: false,
        })
    }

    pub(super) fn bound(&self) -> u64 {
        let values: u64 = self.parameters.iter().map(|parameter| parameter.values.len() as u64).sum();
        values.max(1)
    }

    pub(super) fn scan(&self) -> Scan {
        Scan(self.parameter as u64)
    }

    pub(super) fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        // Without parameters there is one scan, over the recipe itself.
        let scans = self.parameters.len().max(1);
        while !self.is_stuck && self.parameter < scans {
            if self.is_scan_over {
                if let Some(needed) = self.end_scan(known) {
                    return Ok(self.complete(needed));
                }
                continue;
            }
            let Some(spec) = self.point()? else {
                self.is_scan_over = true;
                continue;
            };
            let recipe = resolve(&self.search, &spec)?;
            let id = known.id(&recipe);
            let candidate = Candidate { spec, recipe, id };
            match known.of(&id) {
                Some(result) => {
                    if let Some(needed) = self.visit(candidate, result, known) {
                        return Ok(self.complete(needed));
                    }
                }
                None if self.requested.replace(id) == Some(id) => return Ok(NextPoint::Wait),
                None => return Ok(NextPoint::Evaluate(Box::new(candidate))),
            }
        }
        if let Some(unvalued) = self.unvalued(known).filter(|_| !self.is_stuck)
            && let Some(needed) = self.needed(unvalued, known)
        {
            return Ok(self.complete(needed));
        }
        Ok(NextPoint::Done(Box::new(self.so_far(known))))
    }

    /// The points read, and the best of them unless one is missing. An unfinished scan counts as if it were over.
    pub(super) fn so_far(&self, known: &impl PointResults) -> Choice {
        if self.is_stuck {
            return Choice { best: None, ..self.best_known(known) };
        }
        self.best_known(known)
    }

    /// The points read, and the best of them, even if one is missing. A best point without a value gives way to the best value.
    pub(super) fn best_known(&self, known: &impl PointResults) -> Choice {
        let best = self.standing(known).ok().flatten();
        let valued = best.and_then(|best| Some((best.candidate.clone(), best.value(known)?)));
        Choice {
            best: valued.or_else(|| self.best_value(known)),
            points: self.points.clone(),
            left_out: LeftOut::default(),
        }
    }

    /// The best point so far if its value is not asked for yet, or the point whose value has to be known to find it.
    pub(super) fn leader(&self, known: &impl PointResults) -> Option<Candidate> {
        self.unvalued(known).filter(|point| known.whole(&point.id).is_none())
    }

    /// The same, also if no machine can determine the value.
    fn unvalued(&self, known: &impl PointResults) -> Option<Candidate> {
        match self.standing(known) {
            Ok(best) => best.filter(|best| best.worth(known) == Worth::Unknown).map(|best| best.candidate),
            Err(needed) => Some(*needed),
        }
    }

    /// The best point so far, or the point whose value has to be known to find it. An unfinished scan counts as if it were over.
    fn standing(&self, known: &impl PointResults) -> Result<Option<Standing>, Box<Candidate>> {
        let all = self.points.iter().enumerate();
        let all = all.map(|(position, (candidate, result))| Standing {
            candidate: candidate.clone(),
            result: *result,
            position,
        });
        let has_failed = |point: &Standing| point.result == PointResult::Leader && point.worth(known) == Worth::Failed;
        if !all.clone().any(|point| has_failed(&point)) {
            let Some(best) = &self.best else { return Ok(self.incumbent.clone()) };
            let is_best = self.beats_incumbent(best, known)?;
            return Ok(if is_best { Some(best.clone()) } else { self.incumbent.clone() });
        }
        // What a failed leader replaced stands above all before it as well.
        let mut standing: Option<Standing> = None;
        for point in all.filter(|point| point.can_be_best() && !has_failed(point)) {
            let is_better = standing.as_ref().map_or(Ok(true), |best| point.replaces(best, &self.ranking, known))?;
            if is_better {
                standing = Some(point);
            }
        }
        Ok(standing)
    }

    /// The point with the best value.
    fn best_value(&self, known: &impl PointResults) -> Option<(Candidate, f64)> {
        let mut best: Option<(Candidate, f64)> = None;
        for (position, (candidate, result)) in self.points.iter().enumerate() {
            let standing = Standing { candidate: candidate.clone(), result: *result, position };
            let Some(value) = standing.value(known) else { continue };
            if best.as_ref().is_none_or(|(_, best)| self.ranking.replaces(value, *best)) {
                best = Some((standing.candidate, value));
            }
        }
        best
    }

    /// Asks for the value of a point.
    fn complete(&mut self, candidate: Candidate) -> NextPoint {
        if self.completed.insert(candidate.id) { NextPoint::Complete(Box::new(candidate)) } else { NextPoint::Wait }
    }

    fn beats_incumbent(&self, best: &Standing, known: &impl PointResults) -> Result<bool, Box<Candidate>> {
        match &self.incumbent {
            Some(incumbent) => best.replaces(incumbent, &self.ranking, known),
            None => Ok(true),
        }
    }

    /// The scan's next point; `None` at its end.
    fn point(&self) -> Result<Option<RecipeSpec>, StrategyError> {
        let Some(ScannedParameter { key, values }) = self.parameters.get(self.parameter) else {
            // Without parameters, the only point is the recipe itself.
            return Ok((self.value == 0).then(|| self.spec.clone()));
        };
        let Some(value) = values.get(self.value) else { return Ok(None) };
        let mut spec = self.spec.clone();
        spec.set(key, value).map_err(|source| combination(&self.search, &self.spec, source))?;
        Ok(Some(spec))
    }

    /// Reads a point. Returns a point whose value has to be known first; nothing has changed then.
    fn visit(&mut self, candidate: Candidate, result: PointResult, known: &impl PointResults) -> Option<Candidate> {
        let next = self.points.len();
        let position = *self.visited.entry(candidate.id).or_insert(next);
        if position == next {
            self.points.push((candidate.clone(), result));
        }
        let point = Standing { candidate, result, position };
        match (result, &self.best) {
            (PointResult::Value(_) | PointResult::Leader, None) => self.best = Some(point),
            (PointResult::Value(_) | PointResult::Leader, Some(best)) => {
                match point.replaces(best, &self.ranking, known) {
                    Ok(true) => self.best = Some(point),
                    Ok(false) => self.is_scan_over = true,
                    Err(needed) => return self.needed(*needed, known),
                }
            }
            (PointResult::Failed | PointResult::Eliminated, None) => {}
            (PointResult::Missing, _) => self.is_stuck = true,
            (PointResult::Failed | PointResult::Eliminated, Some(_)) => self.is_scan_over = true,
        }
        self.value += 1;
        None
    }

    /// Ends the scan. Returns a point whose value has to be known first; nothing has changed then.
    fn end_scan(&mut self, known: &impl PointResults) -> Option<Candidate> {
        let varied = self.spec.clone();
        if let Some(best) = &self.best {
            match self.beats_incumbent(best, known) {
                Ok(true) => {
                    self.spec = best.candidate.spec.clone();
                    self.incumbent = self.best.take();
                }
                Ok(false) => self.best = None,
                Err(needed) => return self.needed(*needed, known),
            }
        }
        self.scanned.push(varied);
        self.parameter += 1;
        self.value = 0;
        self.is_scan_over = false;
        None
    }

    /// A point whose value is needed, unless no machine can determine it.
    fn needed(&mut self, point: Candidate, known: &impl PointResults) -> Option<Candidate> {
        self.is_stuck = known.whole(&point.id) == Some(PointResult::Missing);
        (!self.is_stuck).then_some(point)
    }
}
