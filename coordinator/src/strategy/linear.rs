use super::{Candidate, Choice, Evaluation, Evaluations, Next, Rule, StrategyError, combination, resolve};
use jobs::{JobId, LeftOut, RecipeSpec, Search};
use serde_json::Value;
use std::collections::HashSet;

/// The paper's search: one parameter after the other, in file order, the others fixed at the best so far.
///
/// - The search starts from the recipe as written. That point itself is evaluated only if a scan passes over it, or
///   if there is no parameter at all.
/// - A *scan* gives one parameter its listed values in listed order and stops at the first that is worse than the
///   best of this scan. An equal value takes over and the scan goes on ([`Ties::Last`](super::Ties::Last)), or
///   stops it ([`Ties::First`](super::Ties::First)): the reference does the one per task and the other jointly.
/// - A failed point is worse than every value: it stops a scan that has a best and is passed over in one that has none.
/// - A missing point, of which no machine could tell anything, ends the search without a choice.
/// - After a scan the parameter takes the best value of the scan. It keeps its value where the best point so far is
///   better than all of the scan, by the same rule about ties, or where the whole scan failed.
///
/// Every point is evaluated once, even where several scans pass over it, and none that the rule does not ask for.
#[derive(Debug, Clone)]
pub(super) struct Linear {
    search: String,
    parameters: Vec<(String, Vec<Value>)>,
    rule: Rule,
    /// The recipe that the scan varies.
    spec: RecipeSpec,
    /// The best point of all scans that are over.
    incumbent: Option<(Candidate, f64)>,
    /// The best point of this scan.
    best: Option<(Candidate, f64)>,
    /// The parameter of this scan, and its next value.
    place: (usize, usize),
    points: Vec<(Candidate, Evaluation)>,
    visited: HashSet<JobId>,
    asked: Option<JobId>,
    /// A point is missing: where the search would have gone from there is not known.
    is_stuck: bool,
}

impl Linear {
    pub(super) fn new(search: &Search, rule: Rule) -> Result<Self, StrategyError> {
        let parameters = search.parameters.iter().map(|parameter| match parameter.values.listed() {
            Some(values) => Ok((parameter.key.clone(), values.to_vec())),
            None => Err(StrategyError::Continuous { search: search.name.clone(), key: parameter.key.clone() }),
        });
        Ok(Self {
            search: search.name.clone(),
            parameters: parameters.collect::<Result<_, _>>()?,
            rule,
            spec: search.recipe.clone(),
            incumbent: None,
            best: None,
            place: (0, 0),
            points: Vec::new(),
            visited: HashSet::new(),
            asked: None,
            is_stuck: false,
        })
    }

    pub(super) fn bound(&self) -> u64 {
        let values: u64 = self.parameters.iter().map(|(_, values)| values.len() as u64).sum();
        values.max(1)
    }

    pub(super) fn next(&mut self, known: &impl Evaluations) -> Result<Next, StrategyError> {
        while !self.is_stuck && self.place.0 < self.parameters.len().max(1) {
            let Some(spec) = self.point()? else {
                self.end_scan();
                continue;
            };
            let recipe = resolve(&self.search, &spec)?;
            let id = known.id(&recipe);
            let candidate = Candidate { spec, recipe, id };
            match known.of(&id) {
                Some(evaluation) => self.visit(candidate, evaluation),
                None if self.asked.replace(id) == Some(id) => return Ok(Next::Wait),
                None => return Ok(Next::Evaluate(Box::new(candidate))),
            }
        }
        Ok(Next::Done(Box::new(self.so_far())))
    }

    /// The best of all points read, none if one is missing, and these. In a scan that is not over its best counts as if it were.
    pub(super) fn so_far(&self) -> Choice {
        if self.is_stuck {
            return Choice { best: None, ..self.best_known() };
        }
        self.best_known()
    }

    /// The best of all points read, whatever is missing, and these.
    pub(super) fn best_known(&self) -> Choice {
        let takes_over = |(_, value): &&(Candidate, f64)| {
            self.incumbent.as_ref().is_none_or(|(_, old)| self.rule.takes_over(*value, *old))
        };
        let best = self.best.as_ref().filter(takes_over).or(self.incumbent.as_ref());
        Choice { best: best.cloned(), points: self.points.clone(), left_out: LeftOut::default() }
    }

    /// The scan's next point; `None` at its end. Without parameters, one scan looks at the recipe itself.
    fn point(&self) -> Result<Option<RecipeSpec>, StrategyError> {
        let (parameter, value) = self.place;
        let Some((key, values)) = self.parameters.get(parameter) else {
            return Ok((value == 0).then(|| self.spec.clone()));
        };
        let Some(value) = values.get(value) else { return Ok(None) };
        let mut spec = self.spec.clone();
        spec.set(key, value).map_err(|source| combination(&self.search, &self.spec, source))?;
        Ok(Some(spec))
    }

    fn visit(&mut self, candidate: Candidate, evaluation: Evaluation) {
        if self.visited.insert(candidate.id) {
            self.points.push((candidate.clone(), evaluation));
        }
        self.place.1 += 1;
        match (evaluation, &self.best) {
            (Evaluation::Value(value), None) => self.best = Some((candidate, value)),
            (Evaluation::Value(value), Some((_, best))) if self.rule.takes_over(value, *best) => {
                self.best = Some((candidate, value));
            }
            (Evaluation::Failed, None) => {}
            (Evaluation::Missing, _) => self.is_stuck = true,
            (Evaluation::Value(_) | Evaluation::Failed, Some(_)) => self.end_scan(),
        }
    }

    fn end_scan(&mut self) {
        self.place = (self.place.0 + 1, 0);
        let Some((candidate, value)) = self.best.take() else { return };
        if self.incumbent.as_ref().is_none_or(|(_, old)| self.rule.takes_over(value, *old)) {
            self.spec = candidate.spec.clone();
            self.incumbent = Some((candidate, value));
        }
    }
}
