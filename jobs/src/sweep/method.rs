use serde::{Deserialize, Serialize};

/// How a search goes through its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Every combination of values.
    Grid,
    /// Draws from the values, reproducible from the seed.
    Random {
        /// The number of draws for each search.
        trials: u32,
        /// Chooses the draws.
        seed: u64,
    },
    /// One parameter after the other, in order, each up to the first drop: the paper's search.
    Linear,
    /// One parameter after the other, in order, each by a few points around the best value.
    Bracket,
    /// Every preset once, and then the best of them refined.
    Portfolio,
    /// Draws from where good points lie: the tree-structured Parzen estimator.
    Tpe {
        /// The number of points of each search.
        trials: u32,
        /// Chooses the draws.
        seed: u64,
    },
    /// Covariance matrix adaptation over whole ranges.
    CmaEs {
        /// The most points of each search.
        trials: u32,
        /// Chooses the draws.
        seed: u64,
    },
}

impl Method {
    /// The name in sweep files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random { .. } => "random",
            Self::Linear => "linear",
            Self::Bracket => "bracket",
            Self::Portfolio => "portfolio",
            Self::Tpe { .. } => "tpe",
            Self::CmaEs { .. } => "cma_es",
        }
    }

    /// The number of points of each search, of methods that are given one.
    pub fn trials(self) -> Option<u32> {
        match self {
            Self::Random { trials, .. } | Self::Tpe { trials, .. } | Self::CmaEs { trials, .. } => Some(trials),
            Self::Grid | Self::Linear | Self::Bracket | Self::Portfolio => None,
        }
    }

    /// The seed, of methods that draw.
    pub fn seed(self) -> Option<u64> {
        match self {
            Self::Random { seed, .. } | Self::Tpe { seed, .. } | Self::CmaEs { seed, .. } => Some(seed),
            Self::Grid | Self::Linear | Self::Bracket | Self::Portfolio => None,
        }
    }

    /// The same method with another number of points, if it has one and `trials` gives one.
    #[must_use]
    pub fn with_trials(self, trials: Option<u32>) -> Self {
        let Some(trials) = trials else { return self };
        match self {
            Self::Random { seed, .. } => Self::Random { trials, seed },
            Self::Tpe { seed, .. } => Self::Tpe { trials, seed },
            Self::CmaEs { seed, .. } => Self::CmaEs { trials, seed },
            Self::Grid | Self::Linear | Self::Bracket | Self::Portfolio => self,
        }
    }

    /// Whether the method takes a whole range without a step.
    pub fn takes_ranges(self) -> bool {
        match self {
            Self::Random { .. } | Self::Bracket | Self::Tpe { .. } | Self::CmaEs { .. } => true,
            Self::Grid | Self::Linear | Self::Portfolio => false,
        }
    }

    /// Whether a search goes through one parameter after the other, and compares each point with the best one before.
    pub fn scans(self) -> bool {
        match self {
            Self::Linear | Self::Bracket => true,
            Self::Grid | Self::Random { .. } | Self::Portfolio | Self::Tpe { .. } | Self::CmaEs { .. } => false,
        }
    }

    /// Whether programs that wrote no version 4 of a manifest know the method.
    pub(crate) fn is_first(self) -> bool {
        match self {
            Self::Grid | Self::Random { .. } | Self::Linear => true,
            Self::Bracket | Self::Portfolio | Self::Tpe { .. } | Self::CmaEs { .. } => false,
        }
    }
}
