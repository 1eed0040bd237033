use crate::methods::{Collinear, InnerProducts, Pair, Stop, karcher, model_stock, slerp};
use faer::Mat;

/// What gives every task of a matrix a coefficient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Coefficients {
    Slerp { position: f64 },
    Nuslerp,
    Karcher(Stop),
    ModelStock,
}

impl Coefficients {
    /// The merge: the sum of the task matrices times their coefficients.
    ///
    /// `slerp` and `model_stock` work on weighted updates, and a task of weight 0 is left out of `model_stock`. To
    /// `nuslerp` and `karcher` weights say where between the updates the merge lies.
    ///
    /// # Shapes
    /// `tasks` `[p, q]` each, in orthonormal bases; two for `slerp` and `nuslerp`.
    pub(super) fn merge(self, tasks: &[Mat<f64>], weights: &[f64], [rows, cols]: [usize; 2]) -> Mat<f64> {
        let coefficients = self.of(tasks, weights);
        let parts = tasks.iter().zip(coefficients);
        parts.fold(Mat::zeros(rows, cols), |sum, (task, coefficient)| sum + task * faer::Scale(coefficient))
    }

    fn of(self, tasks: &[Mat<f64>], weights: &[f64]) -> Vec<f64> {
        match self {
            Self::Slerp { position } => {
                let products = InnerProducts::of_matrices(&weighed(tasks, weights));
                times(&slerp(pair(&products), position, Collinear::Cosine), weights)
            }
            Self::Nuslerp => {
                let position = weights[1] / (weights[0] + weights[1]);
                slerp(pair(&InnerProducts::of_matrices(tasks)), position, Collinear::Sine).to_vec()
            }
            Self::Karcher(stop) => karcher(&InnerProducts::of_matrices(tasks), weights, stop),
            Self::ModelStock => {
                let part: Vec<usize> = (0..tasks.len()).filter(|task| weights[*task].abs() > 0.0).collect();
                let taking: Vec<_> = part.iter().map(|task| &tasks[*task] * faer::Scale(weights[*task])).collect();
                let coefficient = model_stock(&InnerProducts::of_matrices(&taking));
                weights.iter().map(|weight| coefficient * weight).collect()
            }
        }
    }
}

fn pair(products: &InnerProducts) -> Pair {
    Pair { first: products.of(0, 0), second: products.of(1, 1), product: products.of(0, 1) }
}

fn weighed(tasks: &[Mat<f64>], weights: &[f64]) -> Vec<Mat<f64>> {
    tasks.iter().zip(weights).map(|(task, weight)| task * faer::Scale(*weight)).collect()
}

fn times(coefficients: &[f64], weights: &[f64]) -> Vec<f64> {
    coefficients.iter().zip(weights).map(|(coefficient, weight)| coefficient * weight).collect()
}
