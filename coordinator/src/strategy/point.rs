use jobs::{JobId, LeftOut, Recipe, RecipeSpec};

/// The result of evaluating a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PointResult {
    /// The value of the objective's metric.
    Value(f64),
    /// The job failed permanently because of its inputs or its recipe. This is worse than every value.
    Failed,
    /// The job failed permanently, and a machine may be the reason. Nothing is known about the recipe.
    Missing,
    /// The point lost a race against the best point before it. It is worse; its value is not known.
    Eliminated,
    /// The point won a race against the best point before it: it is better, or not worse by more than the indifference. The search goes on
    /// from it. Its value may not be known yet.
    /// Only searches that follow leaders see this: see [`RaceForm`](super::RaceForm).
    Leader,
}

/// The results that are known so far.
pub trait PointResults {
    /// The id of the job that evaluates a recipe. Recipes with the same meaning have the same id.
    fn id(&self, recipe: &Recipe) -> JobId;

    /// The result of the job; `None` while it is unknown.
    fn of(&self, id: &JobId) -> Option<PointResult>;

    /// The values of the sweep's goals, in their order; `None` if the sweep has none, or these have no value.
    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        let _ = id;
        None
    }

    /// Whether the points race, so that a point may be known to be better or worse without its value.
    fn is_raced(&self) -> bool {
        false
    }

    /// How much better a point is than the first one that raced, in units of the metric; positive is better, also where less is.
    ///
    /// It is an estimate from the examples that its race looked at. A search may propose points by it. Its order is that of the races: a
    /// leader is above every point before, and a point that lost is not above the one that it lost against. `None` without races, and
    /// for points that failed.
    fn raced_gain(&self, id: &JobId) -> Option<f64> {
        let _ = id;
        None
    }

    /// The result of the job on all examples, whatever a race has decided of it; `None` while it is unknown.
    fn whole(&self, id: &JobId) -> Option<PointResult> {
        self.of(id)
    }
}

/// A point of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The recipe as the search composed it.
    pub spec: RecipeSpec,
    /// The recipe.
    pub recipe: Recipe,
    /// The job that evaluates it.
    pub id: JobId,
}

/// What a search needs next.
#[derive(Debug, Clone, PartialEq)]
pub enum NextPoint {
    /// The search needs the result of this point. It requests each point once.
    Evaluate(Box<Candidate>),
    /// The search needs the value of this point, of which it knows only that it is better than those before. It requests each value
    /// once.
    Complete(Box<Candidate>),
    /// The search needs results of points that it has requested already.
    Wait,
    /// The search is over.
    Done(Box<Choice>),
}

/// What a search has chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The best point and its value; `None` if every point failed, or if one is missing.
    pub best: Option<(Candidate, f64)>,
    /// The points that the search read, each once, in search order. A very long search lists its best points and the
    /// points at the ends of the ranges.
    pub points: Vec<(Candidate, PointResult)>,
    /// The number of points that are not listed: of very long searches, and those whose values describe no merge together.
    pub left_out: LeftOut,
}
