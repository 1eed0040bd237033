//! Merges by inputs that are made layer by layer (RegMean++).

use super::{GramOptions, GramSums, GramTask, InputMerge, InputMergeError, SolveQuality, of_tasks};
use crate::{
    Aligned, InputStatistics, Matrix, MergeError, TaskStatistics, UpdateMatrix,
    align::{AlignedMatrix, Factors, Form},
    linalg,
};
use faer::Mat;
use jobs::LayerwiseSettings;
use rayon::prelude::*;
use std::fmt;

/// Bytes for each entry `[I, I]` of every module of a layer that is merged: the sum of the Gram matrices, and its Cholesky
/// decomposition.
pub const LAYER_ENTRY_BYTES: u64 = 16;

/// The merge of the weights of one layer, which takes the inputs of one task after the other.
///
/// With the inputs of a layer taken after the merged layers before it, the merge of all layers in turn is RegMean++
/// (arXiv:2508.03121). Each layer is merged as [RegMean](crate::Aligned::merge_by_statistics) merges it.
pub struct LayerMerge<'a> {
    tasks: &'a [String],
    weights: Vec<f64>,
    modules: Vec<LayerModule<'a>>,
}

struct LayerModule<'a> {
    matrix: &'a AlignedMatrix,
    /// The factors of each task's update.
    factors: Vec<Option<Factors>>,
    sums: GramSums,
}

impl fmt::Debug for LayerMerge<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modules: Vec<&str> = self.modules.iter().map(|module| module.matrix.name.as_str()).collect();
        f.debug_struct("LayerMerge").field("tasks", &self.tasks).field("modules", &modules).finish_non_exhaustive()
    }
}

/// A merged weight, and how its system was solved.
#[derive(Debug, Clone, PartialEq)]
pub struct SolvedModule {
    /// The base's module.
    pub module: String,
    /// `[B_1 … B_T] · a`
    pub update: UpdateMatrix,
    /// The condition number of the matrix that was inverted.
    pub condition: f64,
    /// The relative residual of the solution.
    pub residual: f64,
}

impl Aligned {
    /// Begins the merge of the weights of some modules. Modules that no adapter updates are left out.
    ///
    /// # Errors
    /// The adapters are aligned in another space, or the weights of the tasks are not those of a merge.
    pub fn begin_layer<'a>(
        &'a self,
        settings: &LayerwiseSettings,
        modules: &[String],
    ) -> Result<LayerMerge<'a>, InputMergeError> {
        let weights: Vec<f64> = self.tasks.iter().map(|task| settings.weight(task)).collect();
        if weights.iter().any(|weight| *weight < 0.0) || weights.iter().all(|weight| *weight <= 0.0) {
            return Err(MergeError::GramWeights { found: weights }.into());
        }
        let options = GramOptions { off_diagonal: settings.off_diagonal, ridge: settings.ridge };
        let of_layer = self.matrices.iter().filter(|matrix| modules.contains(&matrix.name));
        let module = |matrix: &'a AlignedMatrix| {
            let Form::Full(parts) = &matrix.form else {
                return Err(MergeError::OtherSpace { recipe: jobs::Space::Full, aligned: self.space });
            };
            let [_, width] = matrix.shape;
            Ok(LayerModule {
                matrix,
                factors: parts.iter().map(factors).collect(),
                sums: GramSums::new(width, options),
            })
        };
        let modules = of_layer.map(module).collect::<Result<_, _>>()?;
        Ok(LayerMerge { tasks: &self.tasks, weights, modules })
    }
}

/// Factors of a task's update in `f64`.
pub(super) fn factors(part: &Option<(Matrix, Matrix)>) -> Option<Factors> {
    part.as_ref().map(|(b, a)| Factors { b: b.to_f64(), at: a.transposed_to_f64() })
}

impl LayerMerge<'_> {
    /// Whether there is nothing to merge.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Adds what the modules take in the layer of the task with this number.
    ///
    /// # Errors
    /// The inputs of a module are not there, or have another width than the module.
    pub fn add(&mut self, task: usize, inputs: &[InputStatistics]) -> Result<(), InputMergeError> {
        let weight = self.weights[task];
        for LayerModule { matrix, factors, sums } in &mut self.modules {
            let task_name = || self.tasks[task].clone();
            let module = matrix.name.clone();
            let Some(inputs) = inputs.iter().find(|inputs| inputs.modules.contains(&module)) else {
                return Err(InputMergeError::NoInputs { task: task_name(), module });
            };
            let [_, expected] = matrix.shape;
            let found = inputs.width();
            if found != expected {
                return Err(InputMergeError::Width { task: task_name(), module, found, expected });
            }
            sums.add(&GramTask { factors: factors[task].as_ref(), inputs, weight });
        }
        Ok(())
    }

    /// The merged weights, once all tasks are added.
    ///
    /// # Errors
    /// The sum of the Gram matrices of a module has no inverse.
    pub fn solve(self) -> Result<Vec<SolvedModule>, InputMergeError> {
        let solve = |LayerModule { matrix, sums, .. }: LayerModule<'_>| {
            let [outputs, _] = matrix.shape;
            let module = matrix.name.clone();
            let Ok(merged) = sums.solve(outputs) else { return Err(InputMergeError::Singular { module }) };
            let SolveQuality { condition, residual } = merged.quality;
            let update = UpdateMatrix::LowRank {
                b: Matrix::from_f64(merged.b.as_ref()).into(),
                a: Matrix::from_f64(merged.a.as_ref()).into(),
            };
            Ok(SolvedModule { module, update, condition, residual })
        };
        self.modules.into_par_iter().map(solve).collect()
    }
}

/// The merge that a job has made layer by layer: `b` is that of the adapters, and `a` comes from the job.
pub(crate) fn merge_solved(aligned: &Aligned, statistics: &[TaskStatistics]) -> Result<InputMerge, InputMergeError> {
    let statistics = of_tasks(aligned, statistics)?;
    let Some((solved, others)) = statistics.split_first() else { return Ok(InputMerge::default()) };
    if let Some(other) = others.iter().find(|other| !other.is_same(solved)) {
        return Err(InputMergeError::SeveralSolutions {
            task: solved.task().to_owned(),
            other: other.task().to_owned(),
        });
    }
    let of_matrix = |matrix: &AlignedMatrix| solution_of(aligned, matrix, solved);
    let merged = aligned.matrices.par_iter().map(of_matrix).collect::<Result<Vec<_>, _>>()?;
    let (updates, quality) = merged.into_iter().unzip();
    Ok(InputMerge { updates, quality })
}

fn solution_of(
    aligned: &Aligned,
    matrix: &AlignedMatrix,
    solved: &TaskStatistics,
) -> Result<(UpdateMatrix, SolveQuality), InputMergeError> {
    let Form::Full(parts) = &matrix.form else {
        return Err(MergeError::OtherSpace { recipe: jobs::Space::Full, aligned: aligned.space }.into());
    };
    let task = || solved.task().to_owned();
    let module = || matrix.name.clone();
    let found = solved.solution_of(&matrix.name);
    let found = found.map_err(|source| InputMergeError::Statistics { task: task(), source })?;
    let Some(solution) = found else { return Err(InputMergeError::NoSolution { module: module() }) };
    let [outputs, inputs] = matrix.shape;
    let b: Vec<Mat<f64>> = parts.iter().filter_map(factors).map(|factors| factors.b).collect();
    let expected = [b.iter().map(Mat::ncols).sum(), inputs];
    if solution.a.shape() != expected {
        let found = solution.a.shape();
        return Err(InputMergeError::SolutionShape { module: module(), found, expected });
    }
    let b = linalg::side_by_side(outputs, b.iter().map(Mat::as_ref));
    let update = UpdateMatrix::LowRank { b: Matrix::from_f64(b.as_ref()).into(), a: solution.a.into() };
    Ok((update, SolveQuality { condition: solution.condition, residual: solution.residual }))
}
