use jobs::Objective;
use std::cmp::Ordering;

/// Which of two equal values a search prefers.
///
/// In a linear search, the reference implementation differs between its benchmarks. The preference decides whether a scan that meets a
/// plateau continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// The later value wins, and the scan continues: the reference's search per task.
    Last,
    /// The first value stays, and the scan stops: the reference's joint search.
    First,
}

/// How the points of a search race (`docs/sweep-file.md`, "Racing").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaceForm {
    /// The search continues from a point that is better than all before, without its value. Others choose among values.
    pub follows_leaders: bool,
    /// Which of two equal values the next point is compared with.
    pub ties: Ties,
    /// The largest number of pairs that may duel, which share the error rate.
    pub duels: u64,
}

/// The order of values: which one is better, and which one wins a tie.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// The metric and its direction.
    pub objective: Objective,
    /// A search that learns from results seeks the best trade-offs between the sweep's goals, not the best value.
    pub seeks_trade_offs: bool,
    /// The linear search's preference among equal values. Grid and random searches keep the first in their order.
    pub ties: Ties,
}

impl Ranking {
    /// Whether a linear search replaces `old` by `new`.
    pub(super) fn replaces(&self, new: f64, old: f64) -> bool {
        match self.objective.compare(new, old) {
            Ordering::Greater => true,
            Ordering::Equal => self.ties == Ties::Last,
            Ordering::Less => false,
        }
    }
}
