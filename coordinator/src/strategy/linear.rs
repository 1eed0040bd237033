use super::{
    error::{StrategyError, combination, resolve},
    point::{Candidate, Choice, NextPoint, PointResult, PointResults},
    ranking::Ranking,
};
use jobs::{JobId, LeftOut, RecipeSpec, Search};
use serde_json::Value;
use std::collections::HashSet;

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
/// Every point is evaluated once, even if several scans pass over it, and no other point is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    search: String,
    parameters: Vec<ScannedParameter>,
    ranking: Ranking,
    /// The recipe that the scan varies.
    spec: RecipeSpec,
    /// The best point of all scans that are over.
    incumbent: Option<BestPoint>,
    /// The best point of the current scan.
    best: Option<BestPoint>,
    /// The index of the parameter that the current scan varies.
    parameter: usize,
    /// The index of the scan's next value.
    value: usize,
    points: Vec<(Candidate, PointResult)>,
    visited: HashSet<JobId>,
    requested: Option<JobId>,
    /// A point is missing, so the rest of the search is unknown.
    is_stuck: bool,
}

#[derive(Debug, Clone)]
struct ScannedParameter {
    key: String,
    values: Vec<Value>,
}

#[derive(Debug, Clone)]
struct BestPoint {
    candidate: Candidate,
    value: f64,
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
            incumbent: None,
            best: None,
            parameter: 0,
            value: 0,
            points: Vec::new(),
            visited: HashSet::new(),
            requested: None,
            is_stuck: false,
        })
    }

    pub(super) fn bound(&self) -> u64 {
        let values: u64 = self.parameters.iter().map(|parameter| parameter.values.len() as u64).sum();
        values.max(1)
    }

    pub(super) fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        // Without parameters there is one scan, over the recipe itself.
        let scans = self.parameters.len().max(1);
        while !self.is_stuck && self.parameter < scans {
            let Some(spec) = self.point()? else {
                self.end_scan();
                continue;
            };
            let recipe = resolve(&self.search, &spec)?;
            let id = known.id(&recipe);
            let candidate = Candidate { spec, recipe, id };
            match known.of(&id) {
                Some(result) => self.visit(candidate, result),
                None if self.requested.replace(id) == Some(id) => return Ok(NextPoint::Wait),
                None => return Ok(NextPoint::Evaluate(Box::new(candidate))),
            }
        }
        Ok(NextPoint::Done(Box::new(self.so_far())))
    }

    /// The points read, and the best of them unless one is missing. An unfinished scan counts as if it were over.
    pub(super) fn so_far(&self) -> Choice {
        if self.is_stuck {
            return Choice { best: None, ..self.best_known() };
        }
        self.best_known()
    }

    /// The points read, and the best of them, even if one is missing.
    pub(super) fn best_known(&self) -> Choice {
        let best = self.best.as_ref().filter(|best| self.beats_incumbent(best.value)).or(self.incumbent.as_ref());
        Choice {
            best: best.map(|best| (best.candidate.clone(), best.value)),
            points: self.points.clone(),
            left_out: LeftOut::default(),
        }
    }

    fn beats_incumbent(&self, value: f64) -> bool {
        self.incumbent.as_ref().is_none_or(|incumbent| self.ranking.replaces(value, incumbent.value))
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

    fn visit(&mut self, candidate: Candidate, result: PointResult) {
        if self.visited.insert(candidate.id) {
            self.points.push((candidate.clone(), result));
        }
        self.value += 1;
        match (result, &self.best) {
            (PointResult::Value(value), None) => self.best = Some(BestPoint { candidate, value }),
            (PointResult::Value(value), Some(best)) if self.ranking.replaces(value, best.value) => {
                self.best = Some(BestPoint { candidate, value });
            }
            (PointResult::Failed, None) => {}
            (PointResult::Missing, _) => self.is_stuck = true,
            (PointResult::Value(_) | PointResult::Failed, Some(_)) => self.end_scan(),
        }
    }

    fn end_scan(&mut self) {
        self.parameter += 1;
        self.value = 0;
        let Some(best) = self.best.take() else { return };
        if self.beats_incumbent(best.value) {
            self.spec = best.candidate.spec.clone();
            self.incumbent = Some(best);
        }
    }
}
