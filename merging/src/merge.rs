mod blocks;
mod budget;
mod combination;
mod election;
mod elementwise;
mod mask;
mod matrixwise;
mod threshold;

use crate::{
    Aligned, InputMergeError, Matrix, MergeError, MergedUpdate, TaskStatistics, UpdateMatrix,
    align::{AlignedMatrix, Form},
    regmean::{self, GramOptions, InputMerge},
};
use combination::Combination;
use jobs::{Recipe, Space};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

impl Aligned {
    /// Merges the tasks as `recipe` says: drop, trim, weights, elect, combine. λ is kept apart.
    ///
    /// Task arithmetic in the `full` space stays low-rank (the factors are stacked); other elementwise merges there
    /// are dense.
    ///
    /// # Shapes
    /// Per weight `[O, I]` one [`UpdateMatrix`] of that shape.
    ///
    /// # Numerics
    /// Elementwise steps work in `f32`, matrix-wise ones in `f64`. In the `full` space dense updates are formed a
    /// block of rows at a time, so memory stays flat. Results do not depend on the number of threads.
    ///
    /// # Errors
    /// A recipe for another space, a weight for an unknown task, a matrix-wise method in the `full` space, `tsv` of
    /// more tasks than a weight has directions, an SVD that does not converge.
    ///
    /// # Source
    /// TIES (arXiv:2306.01708), DARE (arXiv:2311.03099), KnOTS (arXiv:2410.19735) with the trim and the election of
    /// its reference implementation, which ignores per-task weights and loses the sign of `max`; here both are
    /// honoured. `docs/methods.md` says where each method equals which code.
    pub fn merge(&self, recipe: &Recipe) -> Result<MergedUpdate, MergeError> {
        self.check(recipe)?;
        let updates = match Combination::from(recipe.combine) {
            Combination::MatrixWise(method) => matrixwise::merge(self, recipe, method)?,
            Combination::EntryWise(_) if self.space == Space::Full && recipe.is_linear() => {
                self.matrices.par_iter().map(|matrix| self.stacked(matrix, recipe)).collect()
            }
            Combination::EntryWise(rule) => {
                let merged = elementwise::merge(self, recipe, rule);
                self.matrices.par_iter().zip(merged).map(|(matrix, merged)| matrix.update(merged)).collect()
            }
        };
        Ok(self.merged(recipe, updates))
    }

    /// Merges the tasks by the inputs of the modules, as RegMean does.
    ///
    /// # Errors
    /// As [`merge`](Self::merge); statistics that are not there or cannot be read; Gram matrices whose sum has no inverse.
    pub fn merge_on_inputs(
        &self,
        recipe: &Recipe,
        options: GramOptions,
        statistics: &[TaskStatistics],
    ) -> Result<MergedUpdate, InputMergeError> {
        self.check(recipe)?;
        let weights: Vec<f64> = self.tasks.iter().map(|task| recipe.weight(task)).collect();
        let InputMerge { updates, .. } = regmean::merge_all(self, &weights, options, statistics)?;
        Ok(self.merged(recipe, updates))
    }

    fn merged(&self, recipe: &Recipe, updates: Vec<UpdateMatrix>) -> MergedUpdate {
        let names = self.matrices.iter().map(|matrix| matrix.name.clone());
        let modules: BTreeMap<_, _> = names.zip(updates).collect();
        let sources = self.matrices.iter().map(|matrix| (matrix.name.clone(), matrix.source.clone())).collect();
        MergedUpdate {
            modules: Arc::new(modules),
            scaling: recipe.scaling,
            recipe: recipe.clone(),
            tasks: self.tasks.clone(),
            sources: Arc::new(sources),
            layout: self.layout.clone(),
        }
    }

    fn check(&self, recipe: &Recipe) -> Result<(), MergeError> {
        if recipe.space != self.space {
            return Err(MergeError::OtherSpace { recipe: recipe.space, aligned: self.space });
        }
        if let Some(task) = recipe.weights.keys().find(|task| !self.tasks.contains(task)) {
            return Err(MergeError::UnknownTask { task: task.clone(), tasks: self.tasks.clone() });
        }
        if self.space == Space::Full && recipe.combine.is_matrix_wise() {
            return Err(MergeError::MatrixWiseInFull);
        }
        Ok(())
    }

    /// The weighted sum of low-rank updates as one pair of factors: [w₁B₁ … wₙBₙ]·[A₁; …; Aₙ].
    fn stacked(&self, matrix: &AlignedMatrix, recipe: &Recipe) -> UpdateMatrix {
        let [rows, cols] = matrix.shape;
        let Form::Full(factors) = &matrix.form else { unreachable!("only the full space keeps factors") };
        let present = factors.iter().zip(&self.tasks).filter_map(|(factors, task)| Some((factors.as_ref()?, task)));
        let present: Vec<_> = present.map(|((b, a), task)| (b, a, recipe.weight(task) as f32)).collect();
        let rank = present.iter().map(|(b, ..)| b.cols()).sum();
        let mut b = Vec::with_capacity(rows * rank);
        for row in 0..rows {
            for (part, _, weight) in &present {
                b.extend(part.row_block(row..row + 1).iter().map(|entry| weight * entry));
            }
        }
        let a = present.iter().flat_map(|(_, a, _)| a.data().iter().copied()).collect();
        UpdateMatrix::LowRank { b: Matrix::new(rows, rank, b).into(), a: Matrix::new(rank, cols, a).into() }
    }
}
