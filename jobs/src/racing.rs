use serde::{Deserialize, Serialize};

/// How the points of searches race against the best point so far, on as few examples as the differences allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Racing {
    /// The probability, for each search, that any of its races is decided against the values on all examples is at most this.
    pub error_rate: f64,
    /// The number of distinct examples, of all tasks together, after which a race is first looked at.
    pub slice: u64,
    /// A point that is not better by more than this, in units of the metric, may be raced out as well.
    pub indifference: f64,
    /// The number of points of a grid or random search that race at the same time, against the same point.
    pub round: u32,
    /// Chooses the examples.
    pub seed: u64,
}

impl Racing {
    /// The largest number of examples of a first slice.
    pub const MOST_EXAMPLES: u64 = 1 << 20;
    /// The largest number of points that race at the same time.
    pub const MOST_POINTS: u32 = 1000;
}

impl Default for Racing {
    fn default() -> Self {
        Self { error_rate: 0.05, slice: 256, indifference: 0.0, round: 8, seed: 0 }
    }
}
