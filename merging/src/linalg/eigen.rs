use super::NoConvergence;
use faer::{
    Mat, MatRef, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch},
};

/// The eigenvalues and orthonormal eigenvectors of a symmetric matrix, largest value first.
pub(crate) struct SymmetricEigen {
    pub(crate) values: Vec<f64>,
    pub(crate) vectors: Mat<f64>,
}

impl SymmetricEigen {
    /// Decomposes `matrix`, of which only the lower triangle is read.
    pub(crate) fn new(matrix: MatRef<'_, f64>) -> Result<Self, NoConvergence> {
        let size = matrix.nrows();
        let mut values = Diag::zeros(size);
        let mut vectors = Mat::zeros(size, size);
        if size > 0 {
            let wanted = ComputeEigenvectors::Yes;
            let scratch = self_adjoint_evd_scratch::<f64>(size, wanted, Par::Seq, Default::default());
            let stack = &mut MemBuffer::new(scratch);
            let stack = MemStack::new(stack);
            let out = Some(vectors.as_mut());
            self_adjoint_evd(matrix, values.as_mut(), out, Par::Seq, stack, Default::default())
                .map_err(|_| NoConvergence)?;
        }
        let mut values: Vec<f64> = values.column_vector().iter().copied().collect();
        values.reverse();
        Ok(Self { values, vectors: vectors.reverse_cols().to_owned() })
    }

    /// The eigenvectors of the `count` largest values that are above `share` of the largest one.
    pub(crate) fn leading(&self, count: usize, share: f64) -> MatRef<'_, f64> {
        let bound = self.values.first().copied().unwrap_or(0.0) * share;
        let there = self.values.iter().take(count).take_while(|value| **value > bound).count();
        self.vectors.get(.., ..there)
    }
}

#[cfg(test)]
mod tests {
    use super::SymmetricEigen;
    use faer::Mat;

    #[test]
    fn eigenvalues_fall_and_vectors_follow_them() {
        // Eigenvalue 3 belongs to (1, 1), 1 to (1, −1).
        let matrix = Mat::from_fn(2, 2, |row, col| if row == col { 2.0 } else { 1.0 });
        let eigen = SymmetricEigen::new(matrix.as_ref()).unwrap();
        assert!((eigen.values[0] - 3.0).abs() < 1e-14 && (eigen.values[1] - 1.0).abs() < 1e-14);
        assert!((eigen.vectors[(0, 0)] - eigen.vectors[(1, 0)]).abs() < 1e-14);
        assert_eq!(eigen.leading(2, 0.5).ncols(), 1);
    }
}
