mod blocks;
mod budget;
mod election;
mod elementwise;
mod mask;
mod matrixwise;
mod threshold;
mod way;

pub(crate) use threshold::Histogram;

use crate::{
    Aligned, Matrix, MergedUpdate, UpdateMatrix,
    align::{AlignedMatrix, Form},
};
use jobs::{Recipe, Space};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};
use way::Way;

/// Why adapters cannot be aligned or merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there are no adapters to merge")]
    NoAdapters,
    /// Two adapters bear one name, so that weights and masks could not tell them apart.
    #[error("two adapters are named `{task}`")]
    SameName {
        /// The name.
        task: String,
    },
    /// Two adapters give one weight different shapes.
    #[error(
        "`{module}` of the adapter `{task}` updates a weight of shape {found:?}, other adapters one of {expected:?}"
    )]
    Shape {
        /// The base's module.
        module: String,
        /// The adapter that differs.
        task: String,
        /// Its shape.
        found: [usize; 2],
        /// The shape in the adapters before it.
        expected: [usize; 2],
    },
    /// The iteration for singular values did not converge.
    #[error("the singular value decomposition of `{module}` does not converge")]
    NoConvergence {
        /// The base's module.
        module: String,
    },
    /// The recipe works in another space than the alignment.
    #[error("the recipe works in the space {recipe:?}, but the adapters are aligned in {aligned:?}")]
    OtherSpace {
        /// The recipe's space.
        recipe: Space,
        /// The alignment's space.
        aligned: Space,
    },
    /// The recipe weighs a task that is not there.
    #[error("the recipe has a weight for `{task}`, which is none of the merged tasks: {}", .tasks.join(", "))]
    UnknownTask {
        /// The task.
        task: String,
        /// The merged tasks.
        tasks: Vec<String>,
    },
    /// More tasks update a weight than TSV-Merge can give a direction of their own.
    #[error(
        "`tsv` gives each task a direction of its own, and {tasks} tasks update `{module}`, which has {directions}: merge fewer \
         adapters, or use another method"
    )]
    TooFewDirections {
        /// The base's module.
        module: String,
        /// How many tasks update it.
        tasks: usize,
        /// Its directions: the smaller side of the weight.
        directions: usize,
    },
    /// A matrix-wise method was asked for in the `full` space.
    #[error("`tsv`, `iso_c` and `iso_cts` need the space `core` or `knots`")]
    MatrixWiseInFull,
}

impl Aligned {
    /// Merges the tasks as `recipe` says: drop, trim, weights, elect, combine. λ is kept apart.
    ///
    /// Task arithmetic in the `full` space stays low-rank (the factors are stacked); other elementwise merges there are dense.
    ///
    /// # Shapes
    /// Per weight `[O, I]` one [`UpdateMatrix`] of that shape.
    ///
    /// # Numerics
    /// Elementwise steps work in `f32`, matrix-wise ones in `f64`. In the `full` space dense updates are formed a block of
    /// rows at a time, so memory stays flat. Results do not depend on the number of threads.
    ///
    /// # Errors
    /// A recipe for another space, a weight for an unknown task, a matrix-wise method in the `full` space, `tsv` of more tasks
    /// than a weight has directions, an SVD that does not converge.
    ///
    /// # Source
    /// TIES (arXiv:2306.01708), DARE (arXiv:2311.03099), KnOTS (arXiv:2410.19735) with the trim and the election of its
    /// reference implementation, which ignores per-task weights and loses the sign of `max`; here both are honoured. `docs/methods.md`
    /// says where each method equals which code.
    pub fn merge(&self, recipe: &Recipe) -> Result<MergedUpdate, MergeError> {
        self.check(recipe)?;
        let updates = match Way::from(recipe.combine) {
            Way::MatrixWise(method) => matrixwise::merge(self, recipe, method)?,
            Way::EntryWise(_) if self.space == Space::Full && recipe.is_linear() => {
                self.matrices.par_iter().map(|matrix| self.stacked(matrix, recipe)).collect()
            }
            Way::EntryWise(rule) => {
                let merged = elementwise::merge(self, recipe, rule);
                self.matrices.par_iter().zip(merged).map(|(matrix, merged)| matrix.update(merged)).collect()
            }
        };
        let names = self.matrices.iter().map(|matrix| matrix.name.clone());
        let modules: BTreeMap<_, _> = names.zip::<Vec<_>>(updates).collect();
        let sources = self.matrices.iter().map(|matrix| (matrix.name.clone(), matrix.source.clone())).collect();
        Ok(MergedUpdate {
            modules: Arc::new(modules),
            scaling: recipe.scaling,
            recipe: recipe.clone(),
            tasks: self.tasks.clone(),
            sources: Arc::new(sources),
            layout: self.layout.clone(),
        })
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
