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
