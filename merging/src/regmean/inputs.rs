//! Merges of aligned adapters by the inputs of their modules.

use super::{GRAM_ENTRY_BYTES, GramOptions, GramSums, GramTask, InputMergeError, SolveQuality, layerwise::factors};
use crate::{
    Aligned, InputStatistics, Matrix, MergeError, TaskStatistics, UpdateMatrix,
    align::{AlignedMatrix, Form},
    merge::groups,
};
use rayon::prelude::*;

/// What became of the weights of a merge by inputs.
#[derive(Debug, Default)]
pub(crate) struct InputMerge {
    /// In the order of the matrices.
    pub(crate) updates: Vec<UpdateMatrix>,
    /// How their systems were solved, in the same order.
    pub(crate) quality: Vec<SolveQuality>,
}

/// The bytes that a weight `[O, I]` takes while it is merged by its inputs, beside the factors of its updates.
pub(crate) fn gram_bytes([_, inputs]: [usize; 2]) -> u64 {
    (inputs as u64).saturating_mul(inputs as u64).saturating_mul(GRAM_ENTRY_BYTES)
}

/// Merges every weight by the inputs of its module; `weights` are the tasks'.
///
/// Weights that are merged at the same time share a bound of memory.
pub(crate) fn merge_all(
    aligned: &Aligned,
    weights: &[f64],
    options: GramOptions,
    statistics: &[TaskStatistics],
) -> Result<InputMerge, InputMergeError> {
    let statistics = of_tasks(aligned, statistics)?;
    let merge = |matrix: &AlignedMatrix| merge_one(aligned, matrix, weights, options, &statistics);
    let needs: Vec<u64> = aligned.matrices.iter().map(|matrix| gram_bytes(matrix.shape)).collect();
    let mut all = InputMerge { updates: Vec::with_capacity(needs.len()), quality: Vec::with_capacity(needs.len()) };
    for group in groups(&needs) {
        let merged = aligned.matrices[group].par_iter().map(merge).collect::<Result<Vec<_>, _>>()?;
        for (update, quality) in merged {
            all.updates.push(update);
            all.quality.push(quality);
        }
    }
    Ok(all)
}

fn merge_one(
    aligned: &Aligned,
    matrix: &AlignedMatrix,
    weights: &[f64],
    options: GramOptions,
    statistics: &[&TaskStatistics],
) -> Result<(UpdateMatrix, SolveQuality), InputMergeError> {
    let Form::Full(parts) = &matrix.form else {
        return Err(MergeError::OtherSpace { recipe: jobs::Space::Full, aligned: aligned.space }.into());
    };
    let [outputs, width] = matrix.shape;
    let mut sums = GramSums::new(width, options);
    for ((part, statistics), weight) in parts.iter().zip(statistics).zip(weights) {
        let factors = factors(part);
        let inputs = inputs_of(matrix, statistics)?;
        sums.add(&GramTask { factors: factors.as_ref(), inputs: &inputs, weight: *weight });
    }
    let merged = sums.solve(outputs).map_err(|_| InputMergeError::Singular { module: matrix.name.clone() })?;
    let update = UpdateMatrix::LowRank {
        b: Matrix::from_f64(merged.b.as_ref()).into(),
        a: Matrix::from_f64(merged.a.as_ref()).into(),
    };
    Ok((update, merged.quality))
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
    let found = inputs.width();
    let expected = matrix.shape[1];
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
