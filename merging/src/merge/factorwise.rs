use super::{
    MergeError,
    combination::{ArcVectors, FactorMethod},
};
use crate::{
    Aligned, Matrix, UpdateMatrix,
    align::{AlignedMatrix, Factors, Form},
    linalg,
    methods::{Collinear, Pair, RobustMerge, lego, robust_merge, slerp},
};
use faer::{Mat, MatRef};
use jobs::Recipe;
use rayon::prelude::*;

/// The factors of one task, with its weight apart.
struct Task {
    name: String,
    weight: f64,
    factors: Factors,
}

/// Merges the factors of every weight in the `full` space. Merges are low-rank.
///
/// # Errors
/// `robust_merge` of adapters of different ranks.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe, method: FactorMethod) -> Result<Vec<UpdateMatrix>, MergeError> {
    let merged = aligned.matrices.par_iter().map(|matrix| {
        let tasks = tasks(aligned, matrix, recipe);
        let merged = match method {
            FactorMethod::Lego(settings) => lego(&weighed(&tasks), settings, &matrix.name),
            FactorMethod::RobustMerge(settings) => robust(&tasks, matrix, settings)?,
            FactorMethod::Nuslerp(ArcVectors::Rows) => interpolated_rows(aligned, recipe, &tasks),
            FactorMethod::Nuslerp(ArcVectors::Columns) => interpolated_columns(aligned, recipe, tasks),
        };
        Ok(update(matrix, &merged))
    });
    merged.collect()
}

/// The tasks that have an update of a weight, and a share in it.
fn tasks(aligned: &Aligned, matrix: &AlignedMatrix, recipe: &Recipe) -> Vec<Task> {
    let Form::Full(factors) = &matrix.form else { unreachable!("only the full space keeps factors") };
    let task = |(factors, name): (&Option<(Matrix, Matrix)>, &String)| {
        let (b, a) = factors.as_ref()?;
        let weight = recipe.weight(name);
        let factors = Factors { b: b.to_f64(), at: a.transposed_to_f64() };
        (weight.abs() > 0.0).then(|| Task { name: name.clone(), weight, factors })
    };
    factors.iter().zip(&aligned.tasks).filter_map(task).collect()
}

/// The factors with the weight multiplied into B.
fn weighed(tasks: &[Task]) -> Vec<Factors> {
    let weighed = |task: &Task| Factors { b: &task.factors.b * faer::Scale(task.weight), at: task.factors.at.clone() };
    tasks.iter().map(weighed).collect()
}

fn robust(tasks: &[Task], matrix: &AlignedMatrix, settings: RobustMerge) -> Result<Factors, MergeError> {
    let [rows, cols] = matrix.shape;
    if tasks.is_empty() {
        return Ok(Factors { b: Mat::zeros(rows, 0), at: Mat::zeros(cols, 0) });
    }
    let weights: Vec<f64> = tasks.iter().map(|task| task.weight).collect();
    let factors: Vec<&Factors> = tasks.iter().map(|task| &task.factors).collect();
    robust_merge(&factors, &weights, settings).ok_or_else(|| MergeError::FactorRanksDiffer {
        method: "robust_merge",
        module: matrix.name.clone(),
        ranks: tasks.iter().map(|task| (task.name.clone(), task.factors.b.ncols())).collect(),
    })
}

/// NuSLERP by columns: by rows, on the transposes.
///
/// # Source
/// mergekit's `nuslerp` with `nuslerp_flatten: false` and `nuslerp_row_wise: true`.
fn interpolated_columns(aligned: &Aligned, recipe: &Recipe, tasks: Vec<Task>) -> Factors {
    let swap = |Factors { b, at }| Factors { b: at, at: b };
    let transposed = tasks.into_iter().map(|task| Task { factors: swap(task.factors), ..task });
    swap(interpolated_rows(aligned, recipe, &transposed.collect::<Vec<_>>()))
}

/// NuSLERP by rows: every row of the two updates is interpolated by the angle between its two versions.
///
/// With cₜ the coefficients of all rows, ΔW = [diag(c₁)·B₁, diag(c₂)·B₂]·[A₁; A₂], so the rank is at most the sum of the
/// ranks.
///
/// # Source
/// mergekit's `nuslerp` with `nuslerp_flatten: false`, which calls this not row-wise.
fn interpolated_rows(aligned: &Aligned, recipe: &Recipe, tasks: &[Task]) -> Factors {
    let [first, second] = [0, 1].map(|task| aligned.tasks.get(task));
    let find = |name: Option<&String>| tasks.iter().find(|task| Some(&task.name) == name);
    let weight = |name: Option<&String>| name.map_or(0.0, |name| recipe.weight(name));
    let position = weight(second) / (weight(first) + weight(second));
    let mut parts: Vec<Mat<f64>> = tasks.iter().map(|task| task.factors.b.clone()).collect();
    let (Some(left), Some(right)) = (find(first), find(second)) else {
        // One update is zero: both are interpolated linearly.
        let shares = tasks.iter().map(|task| if Some(&task.name) == first { 1.0 - position } else { position });
        parts.iter_mut().zip(shares).for_each(|(part, share)| *part *= faer::Scale(share));
        return stacked(&parts, tasks);
    };
    let products = RowProducts::new(&left.factors, &right.factors);
    for row in 0..parts[0].nrows() {
        let coefficients = slerp(products.pair(row), position, Collinear::Sine);
        for (part, coefficient) in parts.iter_mut().zip(coefficients) {
            part.row_mut(row).iter_mut().for_each(|entry| *entry *= coefficient);
        }
    }
    stacked(&parts, tasks)
}

fn stacked(parts: &[Mat<f64>], tasks: &[Task]) -> Factors {
    let rows = parts.first().map_or(0, Mat::nrows);
    let cols = tasks.first().map_or(0, |task| task.factors.at.nrows());
    Factors {
        b: linalg::side_by_side(rows, parts.iter().map(Mat::as_ref)),
        at: linalg::side_by_side(cols, tasks.iter().map(|task| task.factors.at.as_ref())),
    }
}

/// Inner products of the rows of two updates, from their factors: row i of B times AA'ᵀ times row i of B'.
struct RowProducts<'a> {
    left: &'a Mat<f64>,
    right: &'a Mat<f64>,
    left_inputs: Mat<f64>,
    right_inputs: Mat<f64>,
    mixed_inputs: Mat<f64>,
}

impl<'a> RowProducts<'a> {
    fn new(left: &'a Factors, right: &'a Factors) -> Self {
        let inputs = |one: &Factors, other: &Factors| linalg::product(one.at.transpose(), other.at.as_ref());
        Self {
            left: &left.b,
            right: &right.b,
            left_inputs: inputs(left, left),
            right_inputs: inputs(right, right),
            mixed_inputs: inputs(left, right),
        }
    }

    fn pair(&self, row: usize) -> Pair {
        let product =
            |left: &Mat<f64>, inputs: &Mat<f64>, right: &Mat<f64>| left.row(row) * inputs * right.row(row).transpose();
        Pair {
            first: product(self.left, &self.left_inputs, self.left),
            second: product(self.right, &self.right_inputs, self.right),
            product: product(self.left, &self.mixed_inputs, self.right),
        }
    }
}

fn update(matrix: &AlignedMatrix, merged: &Factors) -> UpdateMatrix {
    let [rows, cols] = matrix.shape;
    if merged.b.ncols() == 0 {
        // No task has a share in this weight.
        return UpdateMatrix::LowRank { b: Matrix::zeros(rows, 0).into(), a: Matrix::zeros(0, cols).into() };
    }
    let rounded = |factor: MatRef<'_, f64>| Matrix::from_f64(factor).into();
    UpdateMatrix::LowRank { b: rounded(merged.b.as_ref()), a: rounded(merged.at.transpose()) }
}
