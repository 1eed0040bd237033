use serde::{Deserialize, Serialize};

/// How the points of searches race against the best point so far, on as few examples as the differences allow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Racing {
    /// The probability, for each search, that any of its races is decided against the values on all examples is at most this.
    pub error_rate: f64,
    /// The number of distinct examples, of all tasks together, after which a race is first looked at; `None` goes by the size of the
    /// split: see [`slice_of`](Self::slice_of).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<u64>,
    /// A point that is not better by more than this, in units of the metric, may be raced out as well, and a linear search may follow one
    /// that is not worse by more than this.
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

    /// The first slice of a split with so many examples: a tenth, from 32 to 256, unless a number is given. A small slice is soon
    /// looked at, and a large one takes fewer jobs.
    pub fn slice_of(&self, examples: u64) -> u64 {
        self.slice.unwrap_or((examples / 10).clamp(32, 256))
    }

    /// The same in words, where the size of the split is not known.
    pub fn first_slice(&self) -> String {
        self.slice.map_or_else(|| "a tenth of the split, from 32 to 256".to_owned(), |slice| slice.to_string())
    }
}

impl Default for Racing {
    fn default() -> Self {
        Self { error_rate: 0.05, slice: None, indifference: 0.0, round: 8, seed: 0 }
    }
}
