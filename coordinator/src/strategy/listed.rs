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
        let evaluation = |(_, id): &(u64, JobId)| known.of(id).unwrap_or(Evaluation::Failed);
        let evaluations: Vec<Evaluation> = self.points.iter().map(evaluation).collect();
        let order = self.best_first(&evaluations);
        let best = match order.first().map(|position| (*position, evaluations[*position])) {
            Some((position, Evaluation::Value(value))) => {
                Some((self.candidate(self.points[position].0, known)?, value))
            }
            _ => None,
        };
        let told = self.told(order)?;
        let mut left_out = LeftOut { points: (self.points.len() - told.len()) as u64, ..LeftOut::default() };
        left_out.failed = evaluations.iter().filter(|evaluation| **evaluation == Evaluation::Failed).count() as u64;
        let mut points = Vec::with_capacity(told.len());
        for position in told {
            left_out.failed -= u64::from(evaluations[position] == Evaluation::Failed);
            points.push((self.candidate(self.points[position].0, known)?, evaluations[position]));
        }
        Ok(Choice { best, points, left_out })
    }

    /// The positions of all points, the best first, failures last, equals in their order.
    fn best_first(&self, evaluations: &[Evaluation]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..evaluations.len()).collect();
        order.sort_by(|one, other| match (evaluations[*one], evaluations[*other]) {
            (Evaluation::Value(one), Evaluation::Value(other)) => self.rule.objective.compare(other, one),
            (Evaluation::Value(_), Evaluation::Failed) => Ordering::Less,
            (Evaluation::Failed, Evaluation::Value(_)) => Ordering::Greater,
            (Evaluation::Failed, Evaluation::Failed) => Ordering::Equal,
        });
        order
    }

    /// The positions of the points that are told one by one, in search order: all, or the best, and those at the ends of
    /// what was looked at, so that a choice at a border shows as one.
    fn told(&self, mut order: Vec<usize>) -> Result<Vec<usize>, StrategyError> {
        if order.len() > MAX_TOLD {
            order.truncate(MAX_TOLD);
            order.extend(self.ends()?);
        }
        order.sort_unstable();
        order.dedup();
        Ok(order)
    }

    /// For each number in a recipe, the positions of a point with the smallest and one with the largest.
    fn ends(&self) -> Result<Vec<usize>, StrategyError> {
        let mut ends: BTreeMap<String, [(f64, usize); 2]> = BTreeMap::new();
        for (position, (index, _)) in self.points.iter().enumerate() {
            for (key, value) in numbers(&self.source.spec(*index)?) {
                let [low, high] = ends.entry(key).or_insert([(value, position); 2]);
                if value < low.0 {
                    *low = (value, position);
                }
                if value > high.0 {
                    *high = (value, position);
                }
            }
        }
        Ok(ends.into_values().flatten().map(|(_, position)| position).collect())
    }

    fn candidate(&self, index: u64, known: &impl Evaluations) -> Result<Candidate, StrategyError> {
        let spec = self.source.spec(index)?;
        let recipe = resolve(self.source.search(), &spec)?;
        let id = known.id(&recipe);
        Ok(Candidate { spec, recipe, id })
    }
}

/// The numbers of a recipe, weights of tasks among them, by key.
fn numbers(spec: &RecipeSpec) -> Vec<(String, f64)> {
    let flat = serde_json::to_value(spec).unwrap_or_default();
    let mut numbers = Vec::new();
    for (key, value) in flat.as_object().into_iter().flatten() {
        numbers.extend(value.as_f64().map(|value| (key.clone(), value)));
        let nested = value.as_object().into_iter().flatten();
        numbers.extend(nested.filter_map(|(task, value)| Some((format!("{key}.{task}"), value.as_f64()?))));
    }
    numbers
}
