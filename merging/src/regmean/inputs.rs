//! Merges of aligned adapters by the inputs of their modules.

use super::{GramMerge, GramOptions, GramTask, InputMergeError, merge};
use crate::{
    Aligned, InputStatistics, Matrix, MergeError, TaskStatistics, UpdateMatrix,
    align::{AlignedMatrix, Factors, Form},
};
use rayon::prelude::*;

/// What became of the weights of a merge by inputs.
#[derive(Debug)]
pub(crate) struct InputMerge {
    /// In the order of the matrices.
    pub(crate) updates: Vec<UpdateMatrix>,
    /// The matrix of the largest condition number among those that were inverted.
    pub(crate) worst: Option<Worst>,
}

/// A matrix that was inverted.
#[derive(Debug)]
pub(crate) struct Worst {
    /// The base's module.
    pub(crate) module: String,
    pub(crate) condition: f64,
}

/// Merges every weight by the inputs of its module; `weights` are the tasks'.
///
/// The Gram matrices of as many modules are in memory as there are threads.
pub(crate) fn merge_all(
    aligned: &Aligned,
    weights: &[f64],
    options: GramOptions,
    statistics: &[TaskStatistics],
) -> Result<InputMerge, InputMergeError> {
    let statistics = of_tasks(aligned, statistics)?;
    let one = |matrix: &AlignedMatrix| {
        let Form::Full(parts) = &matrix.form else {
            return Err(MergeError::OtherSpace { recipe: jobs::Space::Full, aligned: aligned.space }.into());
        };
        let factors: Vec<Option<Factors>> = parts
            .iter()
            .map(|part| part.as_ref().map(|(b, a)| Factors { b: b.to_f64(), at: a.transposed_to_f64() }))
            .collect();
        let inputs =
            statistics.iter().map(|statistics| inputs_of(matrix, statistics)).collect::<Result<Vec<_>, _>>()?;
        let tasks = factors.iter().zip(&inputs).zip(weights);
        let tasks: Vec<_> = tasks
            .map(|((factors, inputs), weight)| GramTask { factors: factors.as_ref(), inputs, weight: *weight })
            .collect();
        merge(matrix.shape, &tasks, options).map_err(|_| InputMergeError::Singular { module: matrix.name.clone() })
    };
    let merged = aligned.matrices.par_iter().map(one).collect::<Result<Vec<GramMerge>, InputMergeError>>()?;
    let pairs = merged.iter().zip(&aligned.matrices);
    let worst = pairs.max_by(|(one, _), (other, _)| one.condition.total_cmp(&other.condition));
    let worst = worst.map(|(merged, matrix)| Worst { module: matrix.name.clone(), condition: merged.condition });
    let update = |merged: &GramMerge| UpdateMatrix::LowRank {
        b: Matrix::from_f64(merged.b.as_ref()).into(),
        a: Matrix::from_f64(merged.a.as_ref()).into(),
    };
    Ok(InputMerge { updates: merged.iter().map(update).collect(), worst })
}

pub(crate) fn inputs_of(
    matrix: &AlignedMatrix,
    statistics: &TaskStatistics,
) -> Result<InputStatistics, InputMergeError> {
    let task = statistics.task().to_owned();
    let found = statistics
        .of_module(&matrix.name)
        .map_err(|source| InputMergeError::Statistics { task: task.clone(), source })?;
    let module = matrix.name.clone();
    let Some(inputs) = found else { return Err(InputMergeError::NoInputs { task, module }) };
    let (found, expected) = (inputs.width(), matrix.shape[1]);
    if found == expected { Ok(inputs) } else { Err(InputMergeError::Width { task, module, found, expected }) }
}

/// The statistics of every task, in the order of the adapters.
pub(crate) fn of_tasks<'a>(
    aligned: &Aligned,
    statistics: &'a [TaskStatistics],
) -> Result<Vec<&'a TaskStatistics>, InputMergeError> {
    let of_task = |task: &String| {
        let found = statistics.iter().find(|statistics| statistics.task() == task);
        found.ok_or_else(|| InputMergeError::NoStatistics { task: task.clone() })
    };
    aligned.tasks.iter().map(of_task).collect()
}
