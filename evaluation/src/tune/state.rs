//! All that a run has come to.

use super::guard::{Check, best};
use serde::{Deserialize, Serialize};

/// How far tuning has come: a run that continues from it gives the same numbers as one that was never interrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneState {
    /// The values of all coefficients, task by task.
    pub coefficients: Vec<f64>,
    /// Adam's means of the gradients.
    pub means: Vec<f64>,
    /// Adam's means of their squares.
    pub squares: Vec<f64>,
    /// The loss of each step, before the step: the sum over the tasks of the mean over the batch.
    pub losses: Vec<f64>,
    /// What the guard saw.
    pub checks: Vec<Check>,
    /// True if the guard has stopped the run.
    pub is_stopped: bool,
}

impl TuneState {
    pub(super) fn new(coefficients: usize, start: f64) -> Self {
        Self {
            coefficients: vec![start; coefficients],
            means: vec![0.0; coefficients],
            squares: vec![0.0; coefficients],
            losses: Vec::new(),
            checks: Vec::new(),
            is_stopped: false,
        }
    }

    /// Steps made.
    pub fn steps(&self) -> usize {
        self.losses.len()
    }

    /// What the run has learned: the coefficients of the check with the best agreement, or those of the last step if
    /// nothing is checked.
    pub fn learned(&self) -> &[f64] {
        best(&self.checks).map_or(&self.coefficients, |check| &check.coefficients)
    }
}
