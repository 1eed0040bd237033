use crate::{
    Aligned, InputMergeError, Matrix, MergedUpdate, TaskStatistics, UpdateFacts, UpdateMatrix, align::AlignedMatrix,
};
use jobs::Recipe;
use rayon::prelude::*;

/// Added to the sum of the tasks' Fisher information, so that an entry which no task depends on becomes 0.
const FLOOR: f64 = 1e-12;

impl Aligned {
    /// Merges the tasks entry by entry, weighed by the diagonal Fisher information of their weights.
    ///
    /// `ΔW = Σ_t w_t·F_t∘ΔW_t / (Σ_t w_t·F_t + 1e-12)`; with `normalise`, each F_t is divided first by its norm over all
    /// weights.
    ///
    /// # Shapes
    /// Per weight `[O, I]` a dense update: the weights of entries keep no rank.
    ///
    /// # Numerics
    /// `f64`, entry by entry; F is `f32`.
    ///
    /// # Errors
    /// Adapters that are aligned in another space than `full`; statistics that are not there or cannot be read.
    ///
    /// # Source
    /// Fisher merging (arXiv:2111.09832), with the expectation over the model's own predictions, per example and class. Codes
    /// that square the gradient of a batch's sum count products of different examples as well.
    pub fn merge_by_fisher(
        &self,
        recipe: &Recipe,
        normalise: bool,
        statistics: &[TaskStatistics],
    ) -> Result<MergedUpdate, InputMergeError> {
        let tasks = crate::regmean::of_tasks(self, statistics)?;
        let mut factors = Vec::with_capacity(tasks.len());
        for statistics in &tasks {
            let norm = if normalise { norm(statistics)? } else { 1.0 };
            factors.push(recipe.weight(statistics.task()) / norm);
        }
        let merged = self.matrices.par_iter().map(|matrix| merge(matrix, &tasks, &factors));
        let updates = merged.collect::<Result<Vec<_>, InputMergeError>>()?;
        Ok(self.merged_from(recipe, updates, UpdateFacts::default()))
    }
}

/// The norm of a task's Fisher information over all weights.
fn norm(statistics: &TaskStatistics) -> Result<f64, InputMergeError> {
    let mut squares = 0.0;
    for module in statistics.fisher_modules() {
        let values = read(statistics, module)?;
        squares += values.data().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
    }
    Ok(squares.sqrt().max(f64::MIN_POSITIVE))
}

fn read(statistics: &TaskStatistics, module: &str) -> Result<Matrix, InputMergeError> {
    let task = || statistics.task().to_owned();
    let found = statistics.fisher_of(module).map_err(|source| InputMergeError::Statistics { task: task(), source })?;
    found.ok_or_else(|| InputMergeError::NoInputs { task: task(), module: module.to_owned() })
}

fn merge(matrix: &AlignedMatrix, tasks: &[&TaskStatistics], factors: &[f64]) -> Result<UpdateMatrix, InputMergeError> {
    let [rows, cols] = matrix.shape;
    let (mut above, mut below) = (vec![0.0; rows * cols], vec![FLOOR; rows * cols]);
    for (task, (statistics, factor)) in tasks.iter().zip(factors).enumerate() {
        let fisher = read(statistics, &matrix.name)?;
        if fisher.cols() != cols || fisher.rows() != rows {
            let (task, module) = (statistics.task().to_owned(), matrix.name.clone());
            return Err(InputMergeError::Width { task, module, found: fisher.cols(), expected: cols });
        }
        let update = matrix.entries(task);
        let entries = fisher.data().iter().zip(update.data());
        for ((above, below), (fisher, update)) in above.iter_mut().zip(&mut below).zip(entries) {
            let weight = factor * f64::from(*fisher);
            *above += weight * f64::from(*update);
            *below += weight;
        }
    }
    let merged = above.iter().zip(&below).map(|(above, below)| (above / below) as f32).collect();
    Ok(UpdateMatrix::Dense(Matrix::new(rows, cols, merged).into()))
}
