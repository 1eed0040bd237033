use super::{blocks::Block, combination::EntriesMethod, drop::EntryDrop, threshold::thresholds};
use crate::{
    Aligned, Matrix,
    align::{AlignedMatrix, Form},
    linalg,
    methods::{pcb, sce},
};
use jobs::Recipe;
use rayon::prelude::*;

/// Merges the entries of every weight with all of its entries in view, after drop and trim.
///
/// A task of weight 0 is left out; an adapter that lacks a weight has a zero update of it.
///
/// # Numerics
/// In `f64`: quantiles decide, and an entry that passes one because it was rounded moves a matrix by up to 0.4 %. In the
/// `full` space a matrix needs memory for all of its entries, 8 bytes per task and entry, and weights are worked on as
/// many at a time as there are threads. Results do not depend on the number of threads.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe, method: EntriesMethod) -> Vec<Matrix> {
    let drop = EntryDrop::of(aligned, recipe);
    let thresholds = thresholds(aligned, recipe, drop.as_ref());
    let weights: Vec<f64> = aligned.tasks.iter().map(|task| recipe.weight(task)).collect();
    let matrices = aligned.matrices.par_iter().enumerate();
    let merged = matrices.map(|(index, matrix)| {
        let [rows, cols] = matrix.entry_shape();
        let values = |task: usize| {
            if recipe.drop.is_none() && recipe.trim.is_none() {
                return exact(matrix, task);
            }
            let mut scratch = Vec::new();
            let block = Block { matrix: index, rows: 0..rows };
            let band = thresholds.of(index, task);
            let entries = aligned.dropped(&block, task, drop.as_ref(), &mut scratch);
            let value = |entry: &f32| if band.keeps(*entry) { f64::from(*entry) } else { 0.0 };
            entries.map_or_else(|| vec![0.0; rows * cols], |entries| entries.iter().map(value).collect())
        };
        let part = |task: usize| (weights[task].abs() > 0.0).then(|| (values(task), weights[task]));
        let (tasks, weights): (Vec<_>, Vec<_>) = (0..weights.len()).filter_map(part).unzip();
        let merged = match method {
            _ if tasks.is_empty() => vec![0.0; rows * cols],
            EntriesMethod::Pcb(settings) => pcb(&tasks, &weights, settings),
            EntriesMethod::Sce { selected } => sce(&weighed(tasks, &weights), selected),
        };
        Matrix::new(rows, cols, merged.into_iter().map(|entry| entry as f32).collect())
    });
    merged.collect()
}

/// The entries of a task matrix, row by row, in the precision of the factors.
fn exact(matrix: &AlignedMatrix, task: usize) -> Vec<f64> {
    match &matrix.form {
        Form::Full(factors) => {
            let [rows, cols] = matrix.shape;
            let Some((b, a)) = &factors[task] else { return vec![0.0; rows * cols] };
            // The transpose of the product lies by columns as the product lies by rows.
            let transposed = linalg::product(a.transposed_to_f64().as_ref(), b.to_f64().transpose());
            (0..rows).flat_map(|row| transposed.col_as_slice(row).iter().copied()).collect()
        }
        Form::Columns { .. } | Form::Rows { .. } | Form::Core { .. } => {
            matrix.entries(task).data().iter().copied().map(f64::from).collect()
        }
    }
}

fn weighed(mut tasks: Vec<Vec<f64>>, weights: &[f64]) -> Vec<Vec<f64>> {
    for (task, weight) in tasks.iter_mut().zip(weights) {
        task.iter_mut().for_each(|entry| *entry *= weight);
    }
    tasks
}
