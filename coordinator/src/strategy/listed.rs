use super::{Candidate, Choice, Evaluation, Evaluations, Next, Rule, StrategyError, resolve};
use jobs::{JobId, RecipeSpec};
use std::{cmp::Ordering, collections::HashSet};

/// A list of points that is known before anything is evaluated, and computed point by point.
pub(super) trait Source {
    /// The search's name.
    fn search(&self) -> &str;
    /// The number of points, duplicates included.
    fn len(&self) -> u64;
    /// Point `index`, from 0.
    fn spec(&self, index: u64) -> Result<RecipeSpec, StrategyError>;
}

/// The points that are tried before anything runs: enough for the sweeps that come to an end.
const TRIED: u64 = 1_000_000;

/// A walk through a list. A million points cost their ids, nothing more.
#[derive(Debug, Clone)]
pub(super) struct Listed<S> {
    source: S,
    rule: Rule,
    /// The next point to read.
    next: u64,
    /// The points read, without duplicates, in order.
    points: Vec<(u64, JobId)>,
    seen: HashSet<JobId>,
    /// The points before this one are known.
    known: usize,
}

impl<S: Source> Listed<S> {
    /// Tries the points once, so that values that do not go together are found before anything runs.
    pub(super) fn new(source: S, rule: Rule) -> Result<Self, StrategyError> {
        (0..source.len().min(TRIED)).try_for_each(|index| resolve(source.search(), &source.spec(index)?).map(drop))?;
        Ok(Self { source, rule, next: 0, points: Vec::new(), seen: HashSet::new(), known: 0 })
    }

    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    pub(super) fn next(&mut self, known: &impl Evaluations) -> Result<Next, StrategyError> {
        while self.next < self.source.len() {
            let index = self.next;
            self.next += 1;
            let candidate = self.candidate(index, known)?;
            if !self.seen.insert(candidate.id) {
                continue;
            }
            self.points.push((index, candidate.id));
            if known.of(&candidate.id).is_none() {
                return Ok(Next::Evaluate(Box::new(candidate)));
            }
        }
        while let Some((_, id)) = self.points.get(self.known) {
            if known.of(id).is_none() {
                return Ok(Next::Wait);
            }
            self.known += 1;
        }
        self.choose(known).map(|choice| Next::Done(Box::new(choice)))
    }

    /// The best value; the first in order among equals.
    fn choose(&self, known: &impl Evaluations) -> Result<Choice, StrategyError> {
        let mut choice = Choice { best: None, points: Vec::with_capacity(self.points.len()) };
        for (index, id) in &self.points {
            let candidate = self.candidate(*index, known)?;
            let evaluation = known.of(id).unwrap_or(Evaluation::Failed);
            if let Evaluation::Value(value) = evaluation {
                let is_better = |(_, best): &(Candidate, f64)| self.rule.objective.compare(value, *best);
                if choice.best.as_ref().is_none_or(|best| is_better(best) == Ordering::Greater) {
                    choice.best = Some((candidate.clone(), value));
                }
            }
            choice.points.push((candidate, evaluation));
        }
        Ok(choice)
    }

    fn candidate(&self, index: u64, known: &impl Evaluations) -> Result<Candidate, StrategyError> {
        let spec = self.source.spec(index)?;
        let recipe = resolve(self.source.search(), &spec)?;
        let id = known.id(&recipe);
        Ok(Candidate { spec, recipe, id })
    }
}
