//! Merges of entries by the diagonal Fisher information of the tasks' own weights.

use crate::{
    Aligned, InputMergeError, Matrix, TaskStatistics,
    align::AlignedMatrix,
    merge::{fisher_bytes, groups},
};
use jobs::{Combine, FisherNorm, Recipe};
use rayon::prelude::*;

/// The numbers of a merge by Fisher information.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct FisherOptions {
    /// Added to the information of every entry.
    floor: f64,
    norm: FisherNorm,
}

impl FisherOptions {
    /// Those of a recipe with `combine: fisher`; `None` for all others.
    pub(crate) fn of(recipe: &Recipe) -> Option<Self> {
        let Combine::Fisher { floor, norm, .. } = recipe.combine else { return None };
        Some(Self { floor, norm })
    }
}

/// Merges the tasks entry by entry, weighted by the diagonal Fisher information of their weights; `weights` are the tasks'.
///
/// `ΔW = Σ_t c_t·(F_t + floor)∘ΔW_t / Σ_t c_t·(F_t + floor)` with `c_t = w_t`, or with `norm: model`
/// `c_t = w_t / (‖F_t‖ + floor)`, where the norm is over all weights of the task's model.
///
/// # Shapes
/// Per weight `[O, I]` a dense matrix: the weights of entries keep no rank.
///
/// # Numerics
/// `f64`, entry by entry; F is `f32`. Weights that are merged at the same time share a bound of memory.
///
/// # Errors
/// Statistics that are not there, cannot be read, or have another shape.
///
/// # Source
/// Fisher merging (arXiv:2111.09832), with the expectation over the model's own predictions, per example and class. The
/// floor and the norm are those of MergeLM, whose code squares the gradient of a batch's sum, and so counts products of
/// different examples as well.
pub(crate) fn merge_all(
    aligned: &Aligned,
    weights: &[f64],
    options: FisherOptions,
    statistics: &[TaskStatistics],
) -> Result<Vec<Matrix>, InputMergeError> {
    let FisherOptions { floor, norm } = options;
    let statistics = crate::regmean::of_tasks(aligned, statistics)?;
    let mut tasks = Vec::with_capacity(statistics.len());
    for (statistics, weight) in statistics.into_iter().zip(weights) {
        let divisor = match norm {
            FisherNorm::None => 1.0,
            FisherNorm::Model => norm_of(statistics)? + floor,
        };
        tasks.push(FisherTask { statistics, factor: weight / divisor });
    }
    let needs: Vec<u64> = aligned.matrices.iter().map(|matrix| fisher_bytes(matrix.shape)).collect();
    let mut merged = Vec::with_capacity(needs.len());
    for group in groups(&needs) {
        let of_group = aligned.matrices[group].par_iter().map(|matrix| merge(matrix, &tasks, floor));
        merged.extend(of_group.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(merged)
}

/// One task's part in a merge.
struct FisherTask<'a> {
    statistics: &'a TaskStatistics,
    /// Multiplies its information.
    factor: f64,
}

/// The norm of a task's Fisher information over all weights.
fn norm_of(statistics: &TaskStatistics) -> Result<f64, InputMergeError> {
    let mut squares = 0.0;
    for module in statistics.fisher_modules() {
        let values = read(statistics, module)?;
        squares += values.data().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    }
    Ok(squares.sqrt())
}

fn read(statistics: &TaskStatistics, module: &str) -> Result<Matrix, InputMergeError> {
    let task = || statistics.task().to_owned();
    let found = statistics.fisher_of(module).map_err(|source| InputMergeError::Statistics { task: task(), source })?;
    found.ok_or_else(|| InputMergeError::NoFisher { task: task(), module: module.to_owned() })
}

fn merge(matrix: &AlignedMatrix, tasks: &[FisherTask<'_>], floor: f64) -> Result<Matrix, InputMergeError> {
    let [rows, cols] = matrix.shape;
    let mut above = vec![0.0; rows * cols];
    let mut below = vec![0.0; rows * cols];
    for (index, task) in tasks.iter().enumerate() {
        let fisher = read(task.statistics, &matrix.name)?;
        if fisher.shape() != matrix.shape {
            let task = task.statistics.task().to_owned();
            let module = matrix.name.clone();
            return Err(InputMergeError::FisherShape { task, module, found: fisher.shape(), expected: matrix.shape });
        }
        let update = matrix.entries(index);
        let entries = fisher.data().iter().zip(update.data());
        for ((above, below), (fisher, update)) in above.iter_mut().zip(&mut below).zip(entries) {
            let weight = task.factor * (f64::from(*fisher) + floor);
            *above += weight * f64::from(*update);
            *below += weight;
        }
    }
    let merged = above.iter().zip(&below).map(|(above, below)| (above / below) as f32).collect();
    Ok(Matrix::new(rows, cols, merged))
}

#[cfg(test)]
mod tests;
