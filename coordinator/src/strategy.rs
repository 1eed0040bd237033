//! How a search goes through its parameters: pure functions of (search, evaluations so far).
//!
//! A [`Walk`] is asked for the next point until it waits for an answer or has chosen. It keeps no truth of its own,
//! only a memory of how far it has read: a fresh walk over the same evaluations proposes what is still missing and
//! comes to the same choice. That is what makes a sweep resumable from any point.

mod combinations;
mod draw;
mod linear;
mod listed;
#[cfg(test)]
mod tests;

use combinations::Combinations;
use draw::Draws;
use jobs::{JobId, LeftOut, Method, Objective, Recipe, RecipeError, RecipeSpec, Search};
use linear::Linear;
use listed::Listed;
use std::cmp::Ordering;

/// What the evaluation of a point came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evaluation {
    /// The value of the objective's metric.
    Value(f64),
    /// The job failed for good, for a reason that lies with its inputs or its recipe: worse than every value.
    Failed,
    /// The job failed for good, for a reason that may lie with a machine: nothing is known of the recipe.
    Missing,
}

/// What is known of points so far.
pub trait Evaluations {
    /// The job that evaluates a recipe; recipes that mean the same have the same.
    fn id(&self, recipe: &Recipe) -> JobId;

    /// What the job came to; `None` as long as it is not known.
    fn of(&self, id: &JobId) -> Option<Evaluation>;
}

/// A point of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The recipe as the search put it together.
    pub spec: RecipeSpec,
    /// The recipe.
    pub recipe: Recipe,
    /// The job that evaluates it.
    pub id: JobId,
}

/// Where a walk stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This point is wanted. A walk asks for each point once.
    Evaluate(Box<Candidate>),
    /// Nothing can be said before points that were asked for are known.
    Wait,
    /// The search is over.
    Done(Box<Choice>),
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The best point and its value; `None` if every point failed, or if one is missing.
    pub best: Option<(Candidate, f64)>,
    /// The points that were looked at, once, in search order; of very many the best, and those at the ends of the ranges.
    pub points: Vec<(Candidate, Evaluation)>,
    /// The others.
    pub left_out: LeftOut,
}

/// Why a search cannot go on.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StrategyError {
    /// Values that are fine one by one do not go together.
    #[error("the search `{search}` puts values together that describe no merge: {values}")]
    Combination {
        /// The search.
        search: String,
        /// The keys and values.
        values: String,
        /// What is wrong with them.
        source: Box<RecipeError>,
    },
    /// A range without steps in a method that goes through values.
    #[error("the search `{search}` cannot go through `{key}`: only `method: random` draws from a whole range")]
    Continuous {
        /// The search.
        search: String,
        /// The parameter.
        key: String,
    },
    /// More combinations than can be counted.
    #[error("the search `{search}` has more than 2^63 combinations")]
    Endless {
        /// The search.
        search: String,
    },
}

/// Which of two equal values a linear search prefers.
///
/// The reference implementation differs between its benchmarks; which one is used decides whether a scan that meets a
/// plateau goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// An equal value takes over, and the scan goes on: the reference's per-task search.
    Last,
    /// The first value stays, and the scan stops: the reference's joint search.
    First,
}

/// What is better, and who wins a tie.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The metric and its direction.
    pub objective: Objective,
    /// The linear search's preference among equals. Grid and random keep the first in their order.
    pub ties: Ties,
}

impl Rule {
    /// Whether a linear search moves on from `old` to `new`.
    fn takes_over(&self, new: f64, old: f64) -> bool {
        match self.objective.compare(new, old) {
            Ordering::Greater => true,
            Ordering::Equal => self.ties == Ties::Last,
            Ordering::Less => false,
        }
    }
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Walk(Way);

#[derive(Debug, Clone)]
enum Way {
    Grid(Listed<Combinations>),
    Random(Listed<Draws>),
    Linear(Box<Linear>),
}

impl Walk {
    /// The beginning of `search`.
    ///
    /// # Errors
    /// Parameters that the method cannot go through, and, for grid and random, values that do not go together.
    pub fn new(search: &Search, method: Method, rule: Rule) -> Result<Self, StrategyError> {
        let way = match method {
            Method::Grid => Way::Grid(Listed::new(Combinations::of(search)?, rule)?),
            Method::Random { trials, seed } => Way::Random(Listed::new(Draws::of(search, trials, seed), rule)?),
            Method::Linear => Way::Linear(Box::new(Linear::new(search, rule)?)),
        };
        Ok(Self(way))
    }

    /// The next point wanted in the light of `known`, which may have grown since the last call but not changed.
    ///
    /// # Errors
    /// [`StrategyError::Combination`], when a linear search meets values that do not go together.
    pub fn next(&mut self, known: &impl Evaluations) -> Result<Next, StrategyError> {
        match &mut self.0 {
            Way::Grid(way) => way.next(known),
            Way::Random(way) => way.next(known),
            Way::Linear(way) => way.next(known),
        }
    }

    /// The choice that the points known so far would make, and these points, of those that were asked for.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn so_far(&self, known: &impl Evaluations) -> Result<Choice, StrategyError> {
        match &self.0 {
            Way::Grid(way) => way.so_far(known),
            Way::Random(way) => way.so_far(known),
            Way::Linear(way) => Ok(way.so_far()),
        }
    }

    /// The search as it ends where it is: the best of the points that are known, whatever is missing.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn best_known(&mut self, known: &impl Evaluations) -> Result<Choice, StrategyError> {
        // What is proposed from here on is not wanted any more.
        while let Next::Evaluate(_) = self.next(known)? {}
        match &self.0 {
            Way::Grid(way) => way.best_known(known),
            Way::Random(way) => way.best_known(known),
            Way::Linear(way) => Ok(way.best_known()),
        }
    }

    /// The most points that the search may look at.
    pub fn bound(&self) -> u64 {
        match &self.0 {
            Way::Grid(way) => way.len(),
            Way::Random(way) => way.len(),
            Way::Linear(way) => way.bound(),
        }
    }
}

/// Everything that is wanted now, in running order, or the choice if nothing is.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The points that are not known and needed for the next step.
    pub wanted: Vec<Candidate>,
    /// The choice, once everything needed is known.
    pub finished: Option<Choice>,
}

/// Proposes from scratch: the whole search as a function of what is known.
///
/// # Errors
/// As [`Walk::new`] and [`Walk::next`].
pub fn propose(
    search: &Search,
    method: Method,
    rule: Rule,
    known: &impl Evaluations,
) -> Result<Proposal, StrategyError> {
    let mut walk = Walk::new(search, method, rule)?;
    let mut wanted = Vec::new();
    loop {
        match walk.next(known)? {
            Next::Evaluate(candidate) => wanted.push(*candidate),
            Next::Wait => return Ok(Proposal { wanted, finished: None }),
            Next::Done(choice) => return Ok(Proposal { wanted, finished: Some(*choice) }),
        }
    }
}

/// The recipe that `spec` describes, or the error that names the values.
fn resolve(search: &str, spec: &RecipeSpec) -> Result<Recipe, StrategyError> {
    spec.resolve().map_err(|source| combination(search, spec, source))
}

fn combination(search: &str, spec: &RecipeSpec, source: RecipeError) -> StrategyError {
    StrategyError::Combination {
        search: search.to_owned(),
        values: jobs::canonical_json(spec),
        source: Box::new(source),
    }
}
