use super::{Candidate, Choice, Evaluation, Evaluations, Next, Rule, StrategyError, resolve};
use jobs::{JobId, LeftOut, RecipeSpec};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

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

/// Points that a choice tells one by one.
const MAX_TOLD: usize = 10_000;

/// A point that is known: its place in the search, and what it came to.
type Judged = (usize, Evaluation);

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
        self.so_far(known).map(|choice| Next::Done(Box::new(choice)))
    }

    /// The best value among the points that are known, none if one is missing; the first in order among equals.
    pub(super) fn so_far(&self, known: &impl Evaluations) -> Result<Choice, StrategyError> {
        self.choice(known, false)
    }

    /// The same, whatever is missing.
    pub(super) fn best_known(&self, known: &impl Evaluations) -> Result<Choice, StrategyError> {
        self.choice(known, true)
    }

    fn choice(&self, known: &impl Evaluations, passes_over_missing: bool) -> Result<Choice, StrategyError> {
        let judge = |(position, (_, id)): (usize, &(u64, JobId))| Some((position, known.of(id)?));
        let mut judged: Vec<Judged> = self.points.iter().enumerate().filter_map(judge).collect();
        self.best_first(&mut judged);
        let is_missing =
            !passes_over_missing && judged.iter().any(|(_, evaluation)| *evaluation == Evaluation::Missing);
        let best = match judged.first().filter(|_| !is_missing) {
            Some((position, Evaluation::Value(value))) => {
                Some((self.candidate(self.points[*position].0, known)?, *value))
            }
            _ => None,
        };
        let is_failed = |judged: &[Judged]| {
            judged.iter().filter(|(_, evaluation)| !matches!(evaluation, Evaluation::Value(_))).count() as u64
        };
        let (all, all_failed) = (judged.len(), is_failed(&judged));
        let told = self.told(judged)?;
        let left_out = LeftOut { points: (all - told.len()) as u64, failed: all_failed - is_failed(&told) };
        let mut points = Vec::with_capacity(told.len());
        for (position, evaluation) in told {
            points.push((self.candidate(self.points[position].0, known)?, evaluation));
        }
        Ok(Choice { best, points, left_out })
    }

    /// Sorts points: the best first, failures last, equals in their order.
    fn best_first(&self, judged: &mut [Judged]) {
        judged.sort_by(|(_, one), (_, other)| match (one, other) {
            (Evaluation::Value(one), Evaluation::Value(other)) => self.rule.objective.compare(*other, *one),
            (Evaluation::Value(_), Evaluation::Failed | Evaluation::Missing) => Ordering::Less,
            (Evaluation::Failed | Evaluation::Missing, Evaluation::Value(_)) => Ordering::Greater,
            (Evaluation::Failed | Evaluation::Missing, Evaluation::Failed | Evaluation::Missing) => Ordering::Equal,
        });
    }

    /// Of sorted points those that are told one by one, in search order: all, or the best, and those at the ends of what was
    /// looked at, so that a choice at a border shows as one.
    fn told(&self, mut judged: Vec<Judged>) -> Result<Vec<Judged>, StrategyError> {
        if judged.len() > MAX_TOLD {
            let ends = self.ends(&judged)?;
            judged.truncate(MAX_TOLD);
            judged.extend(ends);
        }
        judged.sort_unstable_by_key(|(position, _)| *position);
        judged.dedup_by_key(|(position, _)| *position);
        Ok(judged)
    }

    /// For each number in a recipe, a point with the smallest and one with the largest.
    fn ends(&self, judged: &[Judged]) -> Result<Vec<Judged>, StrategyError> {
        let mut ends: BTreeMap<String, [(f64, Judged); 2]> = BTreeMap::new();
        for point in judged {
            for (key, value) in self.source.spec(self.points[point.0].0)?.numbers() {
                let [low, high] = ends.entry(key).or_insert([(value, *point); 2]);
                // Of equal ones the first in search order, as whoever reads the points one by one would take it.
                if (value, point.0) < (low.0, low.1.0) {
                    *low = (value, *point);
                }
                if value > high.0 || (value.total_cmp(&high.0).is_eq() && point.0 < high.1.0) {
                    *high = (value, *point);
                }
            }
        }
        Ok(ends.into_values().flatten().map(|(_, point)| point).collect())
    }

    fn candidate(&self, index: u64, known: &impl Evaluations) -> Result<Candidate, StrategyError> {
        let spec = self.source.spec(index)?;
        let recipe = resolve(self.source.search(), &spec)?;
        let id = known.id(&recipe);
        Ok(Candidate { spec, recipe, id })
    }
}
