//! The state of a run between two steps.

use super::Evaluation;
use serde::{Deserialize, Serialize};

/// How far training has come: a run that continues from it gives the same bits as one that was never interrupted.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainState {
    /// The trained tensors: `lora_A` and `lora_B` of every module in the model's order, then the head, if it is trained.
    pub tensors: Vec<TrainedTensor>,
    /// What each step found.
    pub trace: Vec<TrainStep>,
    /// The evaluations of early stopping so far; none without it.
    pub evaluations: Vec<Evaluation>,
    /// The numbers of the trained tensors after the best of these evaluations; none before the first one.
    pub kept: Vec<Vec<f32>>,
    /// The evaluation that is due, if some of its examples are done.
    pub begun: Option<BegunEvaluation>,
}

/// An evaluation of which some examples are done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BegunEvaluation {
    /// Examples that are done, from the first one on.
    pub done: usize,
    /// Those of them that are named rightly.
    pub correct: usize,
    /// The sum of their cross-entropies, without label smoothing.
    pub loss: f64,
}

/// A trained tensor with the moments of AdamW.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedTensor {
    /// Its name: that of the module with `.lora_A` or `.lora_B` at the end, or `head`.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Its numbers, row-major.
    pub values: Vec<f32>,
    /// AdamW's means of the gradients.
    pub means: Vec<f32>,
    /// AdamW's means of their squares.
    pub squares: Vec<f32>,
}

/// What a step found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainStep {
    /// The mean loss of the examples of the step, before it.
    pub loss: f64,
    /// The norm of the gradient of all trained tensors together, before it was clipped.
    pub gradient_norm: f64,
    /// The learning rate.
    pub rate: f64,
}

impl TrainedTensor {
    pub(super) fn new(name: String, shape: [usize; 2], values: Vec<f32>) -> Self {
        let moments = vec![0.0; values.len()];
        Self { name, shape, values, means: moments.clone(), squares: moments }
    }

    /// False if a number is NaN or infinite.
    pub(super) fn is_finite(&self) -> bool {
        [&self.values, &self.means, &self.squares].into_iter().flatten().all(|x| x.is_finite())
    }
}

impl TrainState {
    /// Steps made.
    pub fn steps(&self) -> usize {
        self.trace.len()
    }
}
