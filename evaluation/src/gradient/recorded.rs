//! What a forward pass leaves for the way back.

use super::{
    Dropout, GradientTower, Scales,
    block::{Layout, Pass, Tape},
    branch::Branch,
    dropout::PlacedDropout,
    linear::{BackwardStep, ModuleGradient, Projected},
};
use crate::model::host::real::Real;

/// What a run keeps of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    Nothing,
    Tapes,
    Inputs,
}

/// A forward pass of a group of examples, ready for backward passes.
pub struct Recorded<'a, T> {
    pub(super) tower: &'a GradientTower<T>,
    pub(super) layout: Layout,
    pub(super) dropout: Option<PlacedDropout>,
    /// Of every block from the lowest adapted one on.
    pub(super) kept: Vec<Kept<T>>,
    /// What the last norm took and gave, `[examples, width]`.
    pub(super) pooled: Vec<T>,
    pub(super) normed: Vec<T>,
    pub(super) projected: Projected<T>,
    pub(super) features: Vec<T>,
}

/// How a group of examples is recorded, beside the scales.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recording {
    /// Dropout of the updates' inputs, in training.
    pub dropout: Option<Dropout>,
    /// Tokens of the examples of the step that come before the group.
    pub tokens_before: usize,
    /// Those examples.
    pub examples_before: usize,
    /// Keeps nothing of a block but what it took, and runs it again on the way back: less memory, the same numbers.
    pub is_recomputed: bool,
}

/// What is kept of a block for the way back.
pub(super) enum Kept<T> {
    Tape(Box<Tape<T>>),
    /// What the block took: it runs once more.
    Input(Vec<T>),
}

impl<T: Real> Recorded<'_, T> {
    /// The features, `[examples, width]`.
    pub fn features(&self) -> &[T] {
        &self.features
    }

    /// Runs the tower backward, given the gradient of a loss by the features, and hands every adapted module to `see`,
    /// from the last to the first.
    ///
    /// `scales` are those of the forward pass. The gradient of the loss by a direction's scale is the sum over rows of
    /// [`projected`](ModuleGradient::projected) · [`pulled`](ModuleGradient::pulled); that by the whole matrix would be
    /// `deltasᵀ · inputs`. May be called several times.
    pub fn backward(&self, deltas: &[T], scales: &Scales<T>, see: &mut dyn FnMut(ModuleGradient<'_, T>)) {
        let tower = self.tower;
        let branch = Branch { scales, dropout: self.dropout };
        let mut by_normed = vec![T::ZERO; self.normed.len()];
        match &tower.projection {
            Some(projection) => {
                let inputs = &*self.normed;
                let projected = &self.projected;
                let examples = &*self.layout.singles;
                let step = BackwardStep { inputs, deltas, projected, examples };
                projection.backward(Some(&mut by_normed), step, &branch, see);
            }
            None => by_normed.copy_from_slice(deltas),
        }
        let mut by_x = vec![T::ZERO; self.pooled.len()];
        tower.last_norm.backward(&mut by_x, &by_normed, &self.pooled);
        let mut pass = Pass { layout: &self.layout, branch: &branch, see };
        for (n, kept) in (tower.lowest..tower.blocks.len()).zip(&self.kept).rev() {
            let block = &tower.blocks[n];
            let again;
            let tape = match kept {
                Kept::Tape(tape) => &**tape,
                Kept::Input(x) => {
                    again = block.forward(x.clone(), tower.is_last(n), &self.layout, &branch).1;
                    &again
                }
            };
            let Some(below) = block.backward(by_x, tape, n > tower.lowest, &mut pass) else { return };
            by_x = below;
        }
    }
}
