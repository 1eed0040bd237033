//! Methods that give every task a coefficient: SLERP, NuSLERP and the Karcher mean.

use super::golden::{Golden, Weight, goldens};
use crate::methods::{Collinear, InnerProducts, Pair, Stop, karcher, slerp};
use faer::Mat;

fn products(weight: &Weight) -> InnerProducts {
    InnerProducts::of_matrices(&weight.updates())
}

fn combined(weight: &Weight, coefficients: &[f64]) -> Mat<f64> {
    let [rows, cols] = weight.shape();
    let updates = weight.updates();
    let scaled = updates.iter().zip(coefficients).map(|(update, coefficient)| update * faer::Scale(*coefficient));
    scaled.fold(Mat::zeros(rows, cols), |sum, update| sum + update)
}

fn pair(products: &InnerProducts) -> Pair {
    Pair { first: products.of(0, 0), second: products.of(1, 1), product: products.of(0, 1) }
}

#[test]
fn slerp_equals_mergekit() {
    for golden in goldens("slerp") {
        let position = golden.number("/config/t").unwrap();
        golden.check(1e-6, |_, weight| combined(weight, &slerp(pair(&products(weight)), position, Collinear::Cosine)));
    }
}

/// Rows of the two updates, each interpolated by its own angle.
fn by_rows(updates: &[Mat<f64>], position: f64) -> Mat<f64> {
    let mut merged = Mat::zeros(updates[0].nrows(), updates[0].ncols());
    for row in 0..merged.nrows() {
        let [first, second] = [&updates[0], &updates[1]].map(|update| update.row(row));
        let product = first * second.transpose();
        let pair = Pair { first: first.squared_norm_l2(), second: second.squared_norm_l2(), product };
        let [left, right] = slerp(pair, position, Collinear::Sine);
        let entries = first.iter().zip(second.iter()).map(|(first, second)| left * first + right * second);
        merged.row_mut(row).iter_mut().zip(entries).for_each(|(to, entry)| *to = entry);
    }
    merged
}

#[test]
fn nuslerp_equals_mergekit() {
    for golden in goldens("nuslerp") {
        let weights = golden.numbers("/config/weights");
        let position = weights[1] / (weights[0] + weights[1]);
        golden.check(1e-6, |_, weight| {
            let updates = weight.updates();
            if !golden.flag("/config/flatten") && golden.flag("/config/row_wise") {
                // What mergekit calls row-wise are vectors along the first dimension.
                let transposed: Vec<_> = updates.iter().map(|update| update.transpose().to_owned()).collect();
                return by_rows(&transposed, position).transpose().to_owned();
            }
            if !golden.flag("/config/flatten") {
                return by_rows(&updates, position);
            }
            combined(weight, &slerp(pair(&products(weight)), position, Collinear::Sine))
        });
    }
}

fn stop(golden: &Golden) -> Stop {
    Stop {
        tolerance: golden.number("/config/tol").unwrap(),
        steps: golden.number("/config/max_iter").unwrap() as usize,
    }
}

#[test]
fn the_karcher_mean_equals_mergekit() {
    for golden in goldens("karcher") {
        golden.check(1e-5, |_, weight| {
            combined(weight, &karcher(&products(weight), &vec![1.0; weight.factors.len()], stop(&golden)))
        });
    }
}
