use super::{
    error::{StrategyError, resolve},
    point::{Candidate, Choice, NextPoint, PointResult, PointResults},
    ranking::Ranking,
};
use jobs::{JobId, LeftOut, RecipeSpec};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashSet},
};

/// A list of points that is fixed before anything is evaluated, and computed point by point.
pub(super) trait Source {
    /// The search's name.
    fn search(&self) -> &str;
    /// The number of points, duplicates included.
    fn len(&self) -> u64;
    /// Point `index`, from 0.
    fn spec(&self, index: u64) -> Result<RecipeSpec, StrategyError>;
}

/// The number of points that are checked before anything runs. Sweeps of a practical size have fewer.
const CHECKED: u64 = 1_000_000;

/// The number of best points that a choice lists one by one.
const MAX_LISTED: usize = 10_000;

/// The state of a search through a list. A million points take the memory of their ids, and no more.
#[derive(Debug, Clone)]
pub(super) struct Listed<S> {
    source: S,
    ranking: Ranking,
    /// The index of the next point to read.
    next: u64,
    /// The points read, without duplicates, in order.
    points: Vec<ReadPoint>,
    seen: HashSet<JobId>,
    /// All of `points` before this position have results.
    known: usize,
}

#[derive(Debug, Clone, Copy)]
struct ReadPoint {
    /// The index in the source.
    index: u64,
    id: JobId,
}

/// A point with a result.
#[derive(Debug, Clone, Copy)]
struct KnownPoint {
    /// The position in [`Listed::points`].
    position: usize,
    result: PointResult,
}

impl KnownPoint {
    fn is_failed(&self) -> bool {
        matches!(self.result, PointResult::Failed | PointResult::Missing)
    }

    fn value(&self) -> Option<f64> {
        match self.result {
            PointResult::Value(value) => Some(value),
            PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => None,
        }
    }
}

impl<S: Source> Listed<S> {
    /// Resolves the points once, so that values that do not fit together are found before anything runs.
    pub(super) fn new(source: S, ranking: Ranking) -> Result<Self, StrategyError> {
        (0..source.len().min(CHECKED))
            .try_for_each(|index| resolve(source.search(), &source.spec(index)?).map(drop))?;
        Ok(Self { source, ranking, next: 0, points: Vec::new(), seen: HashSet::new(), known: 0 })
    }

    pub(super) fn len(&self) -> u64 {
        self.source.len()
    }

    pub(super) fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        while self.next < self.source.len() {
            let index = self.next;
            self.next += 1;
            let candidate = self.candidate(index, known)?;
            if !self.seen.insert(candidate.id) {
                continue;
            }
            self.points.push(ReadPoint { index, id: candidate.id });
            if known.of(&candidate.id).is_none() {
                return Ok(NextPoint::Evaluate(Box::new(candidate)));
            }
        }
        while let Some(point) = self.points.get(self.known) {
            if known.of(&point.id).is_none() {
                return Ok(NextPoint::Wait);
            }
            self.known += 1;
        }
        self.so_far(known).map(|choice| NextPoint::Done(Box::new(choice)))
    }

    /// The best value among the known points; none if a point is missing. The first in order wins a tie.
    pub(super) fn so_far(&self, known: &impl PointResults) -> Result<Choice, StrategyError> {
        let points = self.best_first(known);
        if points.iter().any(|point| point.result == PointResult::Missing) {
            return Ok(Choice { best: None, ..self.choice(points, known)? });
        }
        self.choice(points, known)
    }

    /// The best value among the known points, even if points are missing.
    pub(super) fn best_known(&self, known: &impl PointResults) -> Result<Choice, StrategyError> {
        self.choice(self.best_first(known), known)
    }

    /// The choice among `sorted` points, the best of which comes first.
    fn choice(&self, sorted: Vec<KnownPoint>, known: &impl PointResults) -> Result<Choice, StrategyError> {
        let best = match sorted.first() {
            Some(KnownPoint { position, result: PointResult::Value(value) }) => {
                Some((self.candidate(self.points[*position].index, known)?, *value))
            }
            _ => None,
        };
        let all = sorted.len();
        let all_failed = failed(&sorted);
        let listed = self.listed(sorted)?;
        let left_out = LeftOut { points: (all - listed.len()) as u64, failed: all_failed - failed(&listed) };
        let mut points = Vec::with_capacity(listed.len());
        for KnownPoint { position, result } in listed {
            points.push((self.candidate(self.points[position].index, known)?, result));
        }
        Ok(Choice { best, points, left_out })
    }

    /// The known points: the best first, those without a value last, equal ones in search order.
    fn best_first(&self, known: &impl PointResults) -> Vec<KnownPoint> {
        let of = |(position, point): (usize, &ReadPoint)| Some(KnownPoint { position, result: known.of(&point.id)? });
        let mut points: Vec<KnownPoint> = self.points.iter().enumerate().filter_map(of).collect();
        // The sort is stable: the first of equal points stays first.
        points.sort_by(|one, other| match (one.value(), other.value()) {
            (Some(one), Some(other)) => self.ranking.objective.compare(other, one),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        points
    }

    /// The points that a choice lists, in search order: all of `sorted`, or of very many the best. The points at the
    /// ends of the ranges are added to these, so that a reader sees whether the choice lies at the border of a range.
    fn listed(&self, mut sorted: Vec<KnownPoint>) -> Result<Vec<KnownPoint>, StrategyError> {
        if sorted.len() > MAX_LISTED {
            let ends = self.ends(&sorted)?;
            sorted.truncate(MAX_LISTED);
            sorted.extend(ends);
        }
        sorted.sort_unstable_by_key(|point| point.position);
        sorted.dedup_by_key(|point| point.position);
        Ok(sorted)
    }

    /// For each number in a recipe, a point with the smallest value and one with the largest.
    fn ends(&self, points: &[KnownPoint]) -> Result<Vec<KnownPoint>, StrategyError> {
        let mut ends: BTreeMap<String, Ends> = BTreeMap::new();
        for point in points {
            for (key, value) in self.source.spec(self.points[point.position].index)?.numbers() {
                let at = End { value, point: *point };
                ends.entry(key).or_insert(Ends { low: at, high: at }).include(at);
            }
        }
        Ok(ends.into_values().flat_map(|Ends { low, high }| [low.point, high.point]).collect())
    }

    fn candidate(&self, index: u64, known: &impl PointResults) -> Result<Candidate, StrategyError> {
        let spec = self.source.spec(index)?;
        let recipe = resolve(self.source.search(), &spec)?;
        let id = known.id(&recipe);
        Ok(Candidate { spec, recipe, id })
    }
}

fn failed(points: &[KnownPoint]) -> u64 {
    points.iter().filter(|point| point.is_failed()).count() as u64
}

/// The points with the smallest and the largest value of a number.
struct Ends {
    low: End,
    high: End,
}

#[derive(Clone, Copy)]
struct End {
    value: f64,
    point: KnownPoint,
}

impl Ends {
    /// Of points with equal values, the first in search order counts. The order of the call does not matter.
    fn include(&mut self, at: End) {
        let position = at.point.position;
        if (at.value, position) < (self.low.value, self.low.point.position) {
            self.low = at;
        }
        let is_equal = at.value.total_cmp(&self.high.value).is_eq();
        if at.value > self.high.value || (is_equal && position < self.high.point.position) {
            self.high = at;
        }
    }
}
