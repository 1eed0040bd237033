//! Search methods: pure functions of a search and the results so far.
//!
//! A [`SearchState`] returns the next point until it must wait for a result or has chosen. It holds nothing that cannot
//! be rebuilt, only how far it has read: a fresh state over the same results requests the points that are still
//! missing, and makes the same choice. A sweep can therefore resume at any point.

mod axis;
mod batched;
mod bracket;
mod cma_es;
mod combinations;
mod draw;
mod error;
mod linear;
mod listed;
mod point;
mod portfolio;
mod range;
mod ranking;
#[cfg(test)]
mod tests;
mod tpe_search;

pub use error::StrategyError;
pub use linear::Scan;
pub use point::{Candidate, Choice, NextPoint, PointResult, PointResults};
pub use ranking::{RaceForm, Ranking, Ties};

use batched::Batched;
use bracket::Bracket;
use cma_es::CmaEs;
use combinations::Combinations;
use draw::Draws;
use jobs::{Method, Search};
use linear::Linear;
use listed::Listed;
use portfolio::Portfolio;
use tpe_search::Tpe;

/// The state of a search: the points that it has requested and read.
#[derive(Debug, Clone)]
pub struct SearchState(MethodState);

#[derive(Debug, Clone)]
enum MethodState {
    Grid(Listed<Combinations>),
    Random(Listed<Draws>),
    Linear(Box<Linear>),
    Bracket(Box<Batched<Bracket>>),
    Portfolio(Box<Batched<Portfolio>>),
    Tpe(Box<Batched<Tpe>>),
    CmaEs(Box<Batched<CmaEs>>),
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
            Method::Bracket => {
                let bracket = Bracket::of(search)?;
                MethodState::Bracket(Box::new(Batched::new(ranking, bracket)))
            }
            Method::Portfolio => {
                let portfolio = Portfolio::of(search)?;
                MethodState::Portfolio(Box::new(Batched::new(ranking, portfolio)))
            }
            Method::Tpe { trials, seed } => {
                let tpe = Tpe::of(search, trials, seed)?;
                MethodState::Tpe(Box::new(Batched::new(ranking, tpe)))
            }
            Method::CmaEs { trials, seed } => {
                let cma_es = CmaEs::of(search, trials, seed)?;
                MethodState::CmaEs(Box::new(Batched::new(ranking, cma_es)))
            }
        };
        Ok(Self(state))
    }

    /// The next point, given the results in `known`. Results may have been added since the last call, but not changed.
    ///
    /// # Errors
    /// [`StrategyError::Combination`], when a linear search meets values that do not fit together. A method that asks for points
    /// in batches counts such a point as failed.
    pub fn next(&mut self, known: &impl PointResults) -> Result<NextPoint, StrategyError> {
        match &mut self.0 {
            MethodState::Grid(state) => state.next(known),
            MethodState::Random(state) => state.next(known),
            MethodState::Linear(state) => state.next(known),
            MethodState::Bracket(state) => state.next(known),
            MethodState::Portfolio(state) => state.next(known),
            MethodState::Tpe(state) => state.next(known),
            MethodState::CmaEs(state) => state.next(known),
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
            MethodState::Bracket(state) => Ok(state.so_far(known)),
            MethodState::Portfolio(state) => Ok(state.so_far(known)),
            MethodState::Tpe(state) => Ok(state.so_far(known)),
            MethodState::CmaEs(state) => Ok(state.so_far(known)),
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
            MethodState::Bracket(state) => Ok(state.best_known(known)),
            MethodState::Portfolio(state) => Ok(state.best_known(known)),
            MethodState::Tpe(state) => Ok(state.best_known(known)),
            MethodState::CmaEs(state) => Ok(state.best_known(known)),
        }
    }

    /// The best point so far whose value is not known, so that a search that ends now needs it.
    pub fn leader(&self, known: &impl PointResults) -> Option<Candidate> {
        match &self.0 {
            MethodState::Linear(state) => state.leader(known),
            MethodState::Bracket(state) => state.leader(known),
            MethodState::Grid(_)
            | MethodState::Random(_)
            | MethodState::Portfolio(_)
            | MethodState::Tpe(_)
            | MethodState::CmaEs(_) => None,
        }
    }

    /// How the points of the search race.
    pub fn race_form(&self) -> RaceForm {
        match &self.0 {
            // Each value has a duel with the value before and one with the best point before. As in a scan, the next value is compared
            // with an equal one.
            MethodState::Linear(state) => {
                RaceForm { follows_leaders: true, ties: Ties::Last, duels: state.bound().saturating_mul(2) }
            }
            MethodState::Bracket(state) => {
                RaceForm { follows_leaders: true, ties: Ties::First, duels: state.batches().pairs() }
            }
            // The first point has no duel.
            MethodState::Grid(_)
            | MethodState::Random(_)
            | MethodState::Portfolio(_)
            | MethodState::Tpe(_)
            | MethodState::CmaEs(_) => {
                let duels = self.bound().saturating_sub(1).max(1);
                RaceForm { follows_leaders: false, ties: Ties::First, duels }
            }
        }
    }

    /// The at most `limit` points that the search may request next, the most likely first, for workers that would be idle. To evaluate them changes
    /// nothing: the search reads the results of points that it has requested, and no others. Only a linear search has such points, and in
    /// races a bracket, since the others request many at once.
    pub fn ahead(&self, known: &impl PointResults, limit: usize) -> Vec<Candidate> {
        match &self.0 {
            MethodState::Linear(state) => state.ahead(known, limit),
            MethodState::Bracket(state) => state.unasked().take(limit).cloned().collect(),
            MethodState::Grid(_)
            | MethodState::Random(_)
            | MethodState::Portfolio(_)
            | MethodState::Tpe(_)
            | MethodState::CmaEs(_) => Vec::new(),
        }
    }

    /// The points that [`ahead`](Self::ahead) may have returned at any time and that the search has not read.
    pub fn passed_over(&self, known: &impl PointResults) -> Vec<Candidate> {
        match &self.0 {
            MethodState::Linear(state) => state.passed_over(known),
            MethodState::Bracket(state) => state.unasked().cloned().collect(),
            MethodState::Grid(_)
            | MethodState::Random(_)
            | MethodState::Portfolio(_)
            | MethodState::Tpe(_)
            | MethodState::CmaEs(_) => Vec::new(),
        }
    }

    /// The scan that a search makes now; `None` for searches that do not scan one parameter after the other.
    pub fn scan(&self) -> Option<Scan> {
        match &self.0 {
            MethodState::Linear(state) => Some(state.scan()),
            MethodState::Bracket(state) => Some(state.batches().current_scan()),
            MethodState::Grid(_)
            | MethodState::Random(_)
            | MethodState::Portfolio(_)
            | MethodState::Tpe(_)
            | MethodState::CmaEs(_) => None,
        }
    }

    /// The largest number of points that the search may request.
    pub fn bound(&self) -> u64 {
        match &self.0 {
            MethodState::Grid(state) => state.len(),
            MethodState::Random(state) => state.len(),
            MethodState::Linear(state) => state.bound(),
            MethodState::Bracket(state) => state.bound(),
            MethodState::Portfolio(state) => state.bound(),
            MethodState::Tpe(state) => state.bound(),
            MethodState::CmaEs(state) => state.bound(),
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
