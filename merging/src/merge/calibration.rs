use crate::{
    Aligned, Matrix,
    align::{AlignedMatrix, Form},
    methods::pico,
};
use faer::Mat;
use jobs::Calibrate;
use rayon::prelude::*;
use std::sync::Arc;

/// The same tasks with calibrated updates, in the core space.
///
/// The rows of core matrices belong to the left singular vectors of the stacked B, in the order of their singular
/// values, so a factor by direction is a factor by row. Tasks count that have an update of the weight.
///
/// # Numerics
/// `f32` entries times factors that are rounded once. Costs a copy of the core matrices.
pub(super) fn calibrated(aligned: &Aligned, rule: Calibrate) -> Aligned {
    let matrices = aligned.matrices.par_iter().map(|matrix| match rule {
        Calibrate::Pico => with_rows_scaled(matrix),
    });
    aligned.with_matrices(matrices.collect())
}

fn with_rows_scaled(matrix: &AlignedMatrix) -> AlignedMatrix {
    let Form::Core { left, right, parts } = &matrix.form else {
        unreachable!("recipes calibrate in the core space alone")
    };
    let tasks = matrix.ranks.iter().filter(|rank| **rank > 0).count();
    let exact = pico(&matrix.output_sigma, tasks);
    let factors: Vec<f32> = exact.iter().map(|factor| *factor as f32).collect();
    let scaled = |part: &Matrix| {
        let mut part = part.clone();
        let cols = part.cols().max(1);
        for (row, factor) in part.data_mut().chunks_mut(cols).zip(&factors) {
            row.iter_mut().for_each(|entry| *entry *= factor);
        }
        part
    };
    AlignedMatrix {
        name: matrix.name.clone(),
        source: matrix.source.clone(),
        shape: matrix.shape,
        ranks: matrix.ranks.clone(),
        lift: matrix.lift.clone(),
        norms: matrix.norms.clone(),
        output_sigma: matrix.output_sigma.clone(),
        is_rounded_once: matrix.is_rounded_once,
        exact: matrix
            .exact
            .as_ref()
            .map(|parts| Arc::new(parts.iter().map(|part| scaled_exactly(part, &exact)).collect())),
        form: Form::Core { left: left.clone(), right: right.clone(), parts: parts.iter().map(scaled).collect() },
    }
}

fn scaled_exactly(part: &Mat<f64>, factors: &[f64]) -> Mat<f64> {
    Mat::from_fn(part.nrows(), part.ncols(), |row, col| part[(row, col)] * factors[row])
}
