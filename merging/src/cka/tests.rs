use super::cka;
use crate::{
    align::Factors,
    linalg::ThinQr,
    regmean::tests::{matrix, statistics},
};
use faer::Mat;

const OUTPUTS: usize = 6;
const INPUTS: usize = 8;

fn tasks() -> [Factors; 3] {
    [2, 3, 1].map(|rank| Factors { b: matrix(OUTPUTS, rank, rank as u64), at: matrix(INPUTS, rank, 50 + rank as u64) })
}

/// The definition on whole matrices.
fn plain(x: &Mat<f64>, updates: &[Mat<f64>], i: usize, j: usize) -> f64 {
    let centred = |update: &Mat<f64>| {
        let z = x * update.transpose();
        let mean = |col: usize| z.col(col).iter().sum::<f64>() / z.nrows() as f64;
        Mat::from_fn(z.nrows(), z.ncols(), |row, col| z[(row, col)] - mean(col))
    };
    let (left, right) = (centred(&updates[i]), centred(&updates[j]));
    let norm = |a: &Mat<f64>, b: &Mat<f64>| (a.transpose() * b).norm_l2();
    norm(&left, &right).powi(2) / (norm(&left, &left) * norm(&right, &right))
}

#[test]
fn the_gram_matrix_is_all_that_is_needed_of_the_inputs() {
    let x = matrix(40, INPUTS, 9);
    let tasks = tasks();
    let updates: Vec<Mat<f64>> = tasks.iter().map(|task| &task.b * task.at.transpose()).collect();
    let found = cka(&tasks.each_ref().map(Some), &statistics(&x));
    for i in 0..3 {
        for j in 0..3 {
            let want = plain(&x, &updates, i, j);
            assert!((found[(i, j)] - want).abs() < 1e-10, "{i} {j}: {} against {want}", found[(i, j)]);
        }
    }
}

#[test]
fn a_common_basis_changes_nothing_and_another_update_does() {
    let inputs = statistics(&matrix(40, INPUTS, 9));
    let tasks = tasks();
    let before = cka(&tasks.each_ref().map(Some), &inputs);
    let turn = ThinQr::new(matrix(OUTPUTS, OUTPUTS, 33)).q();
    let turned = tasks.each_ref().map(|task| Factors { b: turn.transpose() * &task.b, at: task.at.clone() });
    let after = cka(&turned.each_ref().map(Some), &inputs);
    assert!((&before - &after).norm_l2() < 1e-10);
    let other = cka(&[Some(&tasks[0]), Some(&Factors { b: matrix(OUTPUTS, 3, 70), at: tasks[1].at.clone() })], &inputs);
    assert!((other[(0, 1)] - before[(0, 1)]).abs() > 1e-6);
}

#[test]
fn a_task_without_an_update_is_like_none() {
    let inputs = statistics(&matrix(40, INPUTS, 9));
    let found = cka(&[Some(&tasks()[0]), None], &inputs);
    for ([row, col], expected) in [([0, 0], 1.0), ([0, 1], 0.0), ([1, 1], 0.0)] {
        assert!((found[(row, col)] - expected).abs() < 1e-12, "{row}, {col}");
    }
}
