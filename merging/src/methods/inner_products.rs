use crate::{align::Factors, linalg};
use faer::Mat;

/// Inner products of the tasks' updates of one weight.
///
/// SLERP, the Karcher mean and model stock give every task one coefficient, which depends on these alone: their merges
/// are weighted sums, and the rank of the result is at most the sum of the ranks.
#[derive(Debug, Clone)]
pub(crate) struct InnerProducts(Mat<f64>);

impl InnerProducts {
    /// ⟨ΔWₛ, ΔWₜ⟩ of task matrices in orthonormal bases.
    ///
    /// # Shapes
    /// `tasks` `[p, q]` each.
    pub(crate) fn of_matrices(tasks: &[Mat<f64>]) -> Self {
        let product = |left: &Mat<f64>, right: &Mat<f64>| -> f64 {
            let columns = left.col_iter().zip(right.col_iter());
            columns.map(|(left, right)| left.iter().zip(right.iter()).map(|(x, y)| x * y).sum::<f64>()).sum()
        };
        Self(Mat::from_fn(tasks.len(), tasks.len(), |row, col| product(&tasks[row], &tasks[col])))
    }

    /// ⟨BₛAₛ, BₜAₜ⟩ = Σ (BₛᵀBₜ) ∘ (AₛAₜᵀ), without a matrix of the size of the weight. Missing updates are 0.
    ///
    /// # Shapes
    /// B `[O, r]`, Aᵀ `[I, r]`; costs O((O + I)·R²) for ranks that add up to R.
    pub(crate) fn of_factors(tasks: &[Option<Factors>]) -> Self {
        let product = |left: &Factors, right: &Factors| -> f64 {
            let outputs = linalg::product(left.b.transpose(), right.b.as_ref());
            let inputs = linalg::product(left.at.transpose(), right.at.as_ref());
            let columns = outputs.col_iter().zip(inputs.col_iter());
            columns.map(|(left, right)| left.iter().zip(right.iter()).map(|(x, y)| x * y).sum::<f64>()).sum()
        };
        let entry = |row: usize, col: usize| match (&tasks[row], &tasks[col]) {
            (Some(left), Some(right)) => product(left, right),
            _ => 0.0,
        };
        Self(Mat::from_fn(tasks.len(), tasks.len(), entry))
    }

    /// The number of tasks.
    pub(crate) fn count(&self) -> usize {
        self.0.nrows()
    }

    /// ⟨ΔWₛ, ΔWₜ⟩.
    pub(crate) fn of(&self, left: usize, right: usize) -> f64 {
        self.0[(left, right)]
    }

    /// ‖ΔWₜ‖.
    pub(crate) fn norm(&self, task: usize) -> f64 {
        self.of(task, task).max(0.0).sqrt()
    }

    /// The cosine between two updates, in [−1, 1]; 0 if one of them is 0.
    pub(crate) fn cosine(&self, left: usize, right: usize) -> f64 {
        let norms = self.norm(left) * self.norm(right);
        if norms > 0.0 { (self.of(left, right) / norms).clamp(-1.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::InnerProducts;
    use crate::align::Factors;
    use faer::Mat;

    #[test]
    fn factors_have_the_inner_products_of_their_updates() {
        let factors = |rank: usize, seed: usize| Factors {
            b: Mat::from_fn(5, rank, |row, col| ((row * 7 + col * 3 + seed) % 11) as f64 - 5.0),
            at: Mat::from_fn(4, rank, |row, col| ((row * 5 + col * 2 + seed) % 13) as f64 - 6.0),
        };
        let tasks = [factors(2, 1), factors(3, 4)];
        let updates: Vec<_> = tasks.iter().map(|task| &task.b * task.at.transpose()).collect();
        let expected = InnerProducts::of_matrices(&updates);
        let [first, second] = tasks;
        let found = InnerProducts::of_factors(&[Some(first), Some(second), None]);
        for row in 0..2 {
            for col in 0..2 {
                assert!((found.of(row, col) - expected.of(row, col)).abs() < 1e-9);
            }
        }
        assert!(found.norm(2).abs() < 1e-300 && found.cosine(0, 2).abs() < 1e-300);
    }
}
