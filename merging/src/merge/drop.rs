use super::{blocks::Block, mask::drop_entries, rescale::Size};
use crate::Aligned;
use jobs::{DareDrop, DropRescale, Recipe};
use rayon::prelude::*;

/// The drop of a recipe, with what makes up for it.
#[derive(Debug)]
pub(super) struct EntryDrop {
    step: DareDrop,
    /// What every task matrix is multiplied with, by matrix and then by task; none where entries are rescaled one by
    /// one.
    factors: Option<Vec<Vec<f32>>>,
}

impl EntryDrop {
    /// The drop of `recipe`, if it has one. With `drop_rescale: sum` or `norm`, the sizes of matrices are taken here.
    pub(super) fn of(aligned: &Aligned, recipe: &Recipe) -> Option<Self> {
        let step = recipe.drop?;
        let size = match step.rescale {
            DropRescale::Probability | DropRescale::None => None,
            DropRescale::Sum => Some(Size::Sum),
            DropRescale::Norm => Some(Size::Norm),
        };
        let factors = size.map(|size| {
            let of_matrix = |matrix: usize| -> Vec<f32> {
                (0..aligned.tasks.len()).map(|task| factor(aligned, matrix, task, &step, size)).collect()
            };
            (0..aligned.matrices.len()).into_par_iter().map(of_matrix).collect()
        });
        Some(Self { step, factors })
    }

    /// Drops from `entries`, which are the entries of `task` in `block`.
    pub(super) fn apply(&self, aligned: &Aligned, block: &Block, task: usize, entries: &mut [f32]) {
        mask(aligned, block, task, &self.step, entries);
        if let Some(factors) = &self.factors {
            let factor = factors[block.matrix][task];
            entries.iter_mut().for_each(|entry| *entry *= factor);
        }
    }
}

fn mask(aligned: &Aligned, block: &Block, task: usize, step: &DareDrop, entries: &mut [f32]) {
    let matrix = &aligned.matrices[block.matrix];
    let cols = matrix.entry_shape()[1];
    drop_entries(entries, block.rows.start * cols, cols, step, &aligned.tasks[task], &matrix.name);
}

/// What brings the size of a task matrix back to what it was before the drop.
fn factor(aligned: &Aligned, matrix: usize, task: usize, step: &DareDrop, size: Size) -> f32 {
    let mut before = 0.0;
    let mut after = 0.0;
    let mut entries = Vec::new();
    for block in aligned.blocks_of(matrix) {
        if aligned.matrices[matrix].fill_block(task, block.rows.clone(), &mut entries) {
            before += size.sum(entries.iter().copied());
            mask(aligned, &block, task, step, &mut entries);
            after += size.sum(entries.iter().copied());
        }
    }
    size.factor(before, after)
}
