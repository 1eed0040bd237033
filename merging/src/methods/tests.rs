//! Goldens: merged updates from the code of the methods' authors. Files of any task set and configuration are read.

mod bases;
mod coefficients;
mod elementwise;
mod factors;
mod golden;
mod ties;

use faer::Mat;

/// The distance of two matrices as a share of the size of the second.
fn distance(found: &Mat<f64>, expected: &Mat<f64>) -> f64 {
    assert_eq!(found.shape(), expected.shape());
    (found - expected).norm_l2() / expected.norm_l2()
}
