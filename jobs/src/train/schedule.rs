use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// How the learning rate falls after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateSchedule {
    /// Half a period of a cosine, from the rate to 0.
    Cosine,
    /// A line, from the rate to 0.
    Linear,
    /// It does not fall.
    Constant,
}

/// How long the learning rate rises from 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warmup {
    /// For this share of the steps, rounded down.
    Share(f64),
    /// For so many steps.
    Steps(usize),
}

impl Warmup {
    /// The steps of warm-up in a run of `steps`.
    pub fn steps(self, steps: usize) -> usize {
        match self {
            Self::Share(share) => (share * steps as f64) as usize,
            Self::Steps(warmup) => warmup,
        }
    }
}

impl RateSchedule {
    /// What a step, counted from 0, has of the rate.
    ///
    /// With w steps of warm-up and n steps, it is `step / max(1, w)` below w. Then, with `p = (step − w) / max(1, n − w)`, it is
    /// `(1 + cos πp) / 2`, `1 − p` or 1.
    ///
    /// # Source
    /// `get_{cosine,linear,constant}_schedule_with_warmup` of transformers.
    ///
    /// # Examples
    /// ```
    /// use jobs::RateSchedule;
    /// assert_eq!(RateSchedule::Linear.share(1, 2, 10), 0.5);
    /// assert_eq!(RateSchedule::Linear.share(6, 2, 10), 0.5);
    /// assert_eq!(RateSchedule::Cosine.share(0, 0, 10), 1.0);
    /// ```
    pub fn share(self, step: usize, warmup: usize, steps: usize) -> f64 {
        if step < warmup {
            return step as f64 / warmup.max(1) as f64;
        }
        let progress = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
        match self {
            Self::Constant => 1.0,
            Self::Linear => (1.0 - progress).max(0.0),
            Self::Cosine => (0.5 * (1.0 + (PI * progress).cos())).max(0.0),
        }
    }
}
