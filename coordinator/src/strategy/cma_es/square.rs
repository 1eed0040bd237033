/// A square matrix.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Square {
    size: usize,
    /// Row by row.
    entries: Vec<f64>,
}

/// The eigenvectors and eigenvalues of a symmetric matrix.
#[derive(Debug, Clone)]
pub(super) struct Eigen {
    /// The eigenvectors, as columns.
    pub(super) vectors: Square,
    /// The eigenvalue of each column.
    pub(super) values: Vec<f64>,
}

/// The most sweeps of the Jacobi method; it needs about ten.
const MOST_SWEEPS: usize = 60;

impl Square {
    pub(super) fn identity(size: usize) -> Self {
        let mut identity = Self { size, entries: vec![0.0; size * size] };
        (0..size).for_each(|i| identity.set(i, i, 1.0));
        identity
    }

    pub(super) fn get(&self, row: usize, column: usize) -> f64 {
        self.entries[row * self.size + column]
    }

    pub(super) fn set(&mut self, row: usize, column: usize, entry: f64) {
        self.entries[row * self.size + column] = entry;
    }

    /// The product with a vector.
    pub(super) fn times(&self, vector: &[f64]) -> Vec<f64> {
        let row = |row: &[f64]| row.iter().zip(vector).map(|(entry, x)| entry * x).sum();
        self.entries.chunks_exact(self.size.max(1)).map(row).collect()
    }

    pub(super) fn scale(&mut self, factor: f64) {
        self.entries.iter_mut().for_each(|entry| *entry *= factor);
    }

    /// Adds `factor` · x xᵀ.
    pub(super) fn add_outer(&mut self, factor: f64, vector: &[f64]) {
        for (row, x) in vector.iter().enumerate() {
            for (column, y) in vector.iter().enumerate() {
                self.entries[row * self.size + column] += factor * x * y;
            }
        }
    }

    /// The eigenvectors and eigenvalues of a symmetric matrix, by the cyclic Jacobi method.
    ///
    /// A sweep rotates every pair of rows and columns so that their common entry becomes 0. The entries off the diagonal
    /// vanish quadratically.
    ///
    /// # Numerics
    /// O(n³) for each of about ten sweeps. The same on every machine: sums, products, quotients and roots alone. It ends when
    /// the entries off the diagonal are at most 10⁻¹⁵ of the norm, and after 60 sweeps in any case.
    ///
    /// # Source
    /// Golub and Van Loan, Matrix Computations, section 8.5.
    pub(super) fn eigen(&self) -> Eigen {
        let mut matrix = self.clone();
        let mut vectors = Self::identity(self.size);
        for _ in 0..MOST_SWEEPS {
            if matrix.is_diagonal() {
                break;
            }
            for p in 0..self.size {
                for q in p + 1..self.size {
                    matrix.rotate(&mut vectors, p, q);
                }
            }
        }
        let values = (0..self.size).map(|i| matrix.get(i, i)).collect();
        Eigen { vectors, values }
    }

    fn is_diagonal(&self) -> bool {
        let square = |row: usize, column: usize| self.get(row, column).powi(2);
        let diagonal: f64 = (0..self.size).map(|i| square(i, i)).sum();
        // Their sum by itself: a difference of norms would hide it in rounding.
        let others: f64 = (0..self.size).flat_map(|row| (0..row).map(move |column| square(row, column))).sum();
        others <= 1e-30 * (diagonal + others)
    }

    /// Makes the entry at (p, q) 0 by a rotation, which `vectors` takes part in.
    fn rotate(&mut self, vectors: &mut Self, p: usize, q: usize) {
        let off = self.get(p, q);
        if off.abs() < f64::MIN_POSITIVE {
            return;
        }
        let theta = (self.get(q, q) - self.get(p, p)) / (2.0 * off);
        let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
        let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
        let sine = tangent * cosine;
        for k in 0..self.size {
            let at_p = self.get(k, p);
            let at_q = self.get(k, q);
            self.set(k, p, cosine * at_p - sine * at_q);
            self.set(k, q, sine * at_p + cosine * at_q);
        }
        for k in 0..self.size {
            let at_p = self.get(p, k);
            let at_q = self.get(q, k);
            self.set(p, k, cosine * at_p - sine * at_q);
            self.set(q, k, sine * at_p + cosine * at_q);
        }
        for k in 0..self.size {
            let at_p = vectors.get(k, p);
            let at_q = vectors.get(k, q);
            vectors.set(k, p, cosine * at_p - sine * at_q);
            vectors.set(k, q, sine * at_p + cosine * at_q);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn symmetric(size: usize, entries: &[f64]) -> Square {
        let mut matrix = Square { size, entries: vec![0.0; size * size] };
        for row in 0..size {
            for column in 0..=row {
                matrix.set(row, column, entries[row * size + column]);
                matrix.set(column, row, entries[row * size + column]);
            }
        }
        matrix
    }

    #[test]
    fn two_by_two_by_hand() {
        let mut values = symmetric(2, &[2.0, 1.0, 1.0, 2.0]).eigen().values;
        values.sort_by(f64::total_cmp);
        assert!((values[0] - 1.0).abs() < 1e-15 && (values[1] - 3.0).abs() < 1e-15, "{values:?}");
    }

    proptest! {
        #[test]
        fn the_eigenvectors_are_orthonormal_and_give_the_matrix_back(
            size in 1usize..9, entries in proptest::collection::vec(-3.0f64..3.0, 64),
        ) {
            let matrix = symmetric(size, &entries);
            let Eigen { vectors, values } = matrix.eigen();
            for row in 0..size {
                for column in 0..size {
                    let dot: f64 = (0..size).map(|k| vectors.get(k, row) * vectors.get(k, column)).sum();
                    prop_assert!((dot - f64::from(u8::from(row == column))).abs() < 1e-12);
                    let entry: f64 =
                        (0..size).map(|k| vectors.get(row, k) * values[k] * vectors.get(column, k)).sum();
                    prop_assert!((entry - matrix.get(row, column)).abs() < 1e-11);
                }
            }
        }
    }
}
