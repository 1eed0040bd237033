//! Search methods: pure functions of a search and the results so far.
//!
//! A [`SearchState`] returns the next point until it must wait for a result or has chosen. It holds nothing that cannot
//! be rebuilt, only how far it has read: a fresh state over the same results requests the points that are still
//! missing, and makes the same choice. A sweep can therefore resume at any point.

mod combinations;
mod draw;
mod error;
mod linear;
mod listed;
mod point;
mod ranking;
#[cfg(test)]
mod tests;

pub use error::StrategyError;
pub use point::{Candidate, Choice, NextPoint, PointResult, PointResults};
pub use ranking::{Ranking, Ties};

use combinations::Combinations;
use draw::Draws;
use jobs::{Method, Search};
use linear::Linear;
use listed::Listed;

/// The state of a search: the points that it has requested and read.
#[derive(Debug, Clone)]
pub struct SearchState(MethodState);

#[derive(Debug, Clone)]
enum MethodState {
    Grid(Listed<Combinations>),
    Random(Listed<Draws>),
    Linear(Box<Linear>),
}

impl SearchState {
    /// The beginning of `search`.
    ///
    /// # Errors
    /// Parameters that the method does not accept, and, for grid and random, values that do not fit together.
    pub fn new(search: &Search, method: Method, ranking: Ranking) -> Result<Self, StrategyError> {
        let state = match method {
            Method::Grid => MethodState::Grid(Listed::new(Combinations::of(search)?, ranking)?),
            Method::Random { trials, seed } => {
                MethodState::Random(Listed::new(Draws::of(search, trials, seed), ranking)?)
            }
            Method::Linear => MethodState::Linear(Box::new(Linear::new(search, ranking)?)),
        };
        Ok(Self(state))
    }

    /// The next point, given the results in `known`. Results may have been added since the last call, but not changed.
    ///
    /// # Errors
    /// [`StrategyError::Combination`], when a linear search meets values that do not fit together.
    pub fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        match &mut self.0 {
            MethodState::Grid(state) => state.next(known),
            MethodState::Random(state) => state.next(known),
            MethodState::Linear(state) => state.next(known),
        }
    }

    /// The choice among the requested points whose results are known so far.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn so_far(&self, known: &impl PointResults) -> Result<Choice, StrategyError> {
        match &self.0 {
            MethodState::Grid(state) => state.so_far(known),
            MethodState::Random(state) => state.so_far(known),
            MethodState::Linear(state) => Ok(state.so_far(known)),
        }
    }

    /// The choice of a search that ends now: the best known point, even if points are missing.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn best_known(&mut self, known: &impl PointResults) -> Result<Choice, StrategyError> {
        // Reads the results that are known already. New requests are ignored: nothing is published for this search.
        while matches!(self.next(known)?, NextPoint::Evaluate(_) | NextPoint::Complete(_)) {}
        match &self.0 {
            MethodState::Grid(state) => state.best_known(known),
            MethodState::Random(state) => state.best_known(known),
            MethodState::Linear(state) => Ok(state.best_known(known)),
        }
    }

    /// The best point so far whose value is not known, so that a search that ends now needs it.
    pub fn leader(&self, known: &impl PointResults) -> Option<Candidate> {
        match &self.0 {
            MethodState::Grid(_) | MethodState::Random(_) => None,
            MethodState::Linear(state) => state.leader(known),
        }
    }

    /// Whether the search goes on from a point that is better than all before, without its value. Others choose among values.
    pub fn follows_leaders(&self) -> bool {
        match &self.0 {
            MethodState::Grid(_) | MethodState::Random(_) => false,
            MethodState::Linear(_) => true,
        }
    }

    /// The largest number of points that the search may request.
    pub fn bound(&self) -> u64 {
        match &self.0 {
            MethodState::Grid(state) => state.len(),
            MethodState::Random(state) => state.len(),
            MethodState::Linear(state) => state.bound(),
        }
    }
}

/// Everything that a search needs now, in running order, or its choice.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// The points without a result that the next step needs.
    pub wanted: Vec<Candidate>,
    /// The choice, once everything needed is known.
    pub finished: Option<Choice>,
}

/// Proposes from scratch: the whole search as a function of the known results.
///
/// # Errors
/// As [`SearchState::new`] and [`SearchState::next`].
pub fn propose(
    search: &Search,
    method: Method,
    ranking: Ranking,
    known: &impl PointResults,
) -> Result<Proposal, StrategyError> {
    let mut state = SearchState::new(search, method, ranking)?;
    let mut wanted = Vec::new();
    loop {
        match state.next(known)? {
            NextPoint::Evaluate(candidate) | NextPoint::Complete(candidate) => wanted.push(*candidate),
            NextPoint::Wait => return Ok(Proposal { wanted, finished: None }),
            NextPoint::Done(choice) => return Ok(Proposal { wanted, finished: Some(*choice) }),
        }
    }
}
