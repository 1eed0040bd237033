//! Decompositions in `f64` on one thread: matrices are many and small, so the parallelism lies over them.

mod eigen;

pub(crate) use eigen::SymmetricEigen;

use faer::{
    Accum, Conj, Mat, MatMut, MatRef, Par,
    diag::Diag,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        householder::{
            apply_block_householder_sequence_on_the_left_in_place_scratch,
            apply_block_householder_sequence_on_the_left_in_place_with_conj,
        },
        matmul::matmul,
        qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size},
        svd::{ComputeSvdVectors, svd, svd_scratch},
    },
};

/// The iteration for singular values did not converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoConvergence;

/// A thin QR decomposition whose Q stays a product of reflections.
pub(crate) struct ThinQr {
    /// R on and above the diagonal, the reflections below it.
    packed: Mat<f64>,
    coefficients: Mat<f64>,
}

impl ThinQr {
    pub(crate) fn new(matrix: Mat<f64>) -> Self {
        let (rows, cols) = matrix.shape();
        let block = recommended_block_size::<f64>(rows, cols);
        let mut qr = Self { packed: matrix, coefficients: Mat::zeros(block, rows.min(cols)) };
        if qr.size() > 0 {
            let scratch = qr_in_place_scratch::<f64>(rows, cols, block, Par::Seq, Default::default());
            let stack = &mut MemBuffer::new(scratch);
            let packed = qr.packed.as_mut();
            let coefficients = qr.coefficients.as_mut();
            qr_in_place(packed, coefficients, Par::Seq, MemStack::new(stack), Default::default());
        }
        qr
    }

    /// The number of orthonormal columns of Q.
    pub(crate) fn size(&self) -> usize {
        self.packed.nrows().min(self.packed.ncols())
    }

    /// R, `[size, cols]`.
    pub(crate) fn r(&self) -> Mat<f64> {
        let entry = |row, col| if row <= col { self.packed[(row, col)] } else { 0.0 };
        Mat::from_fn(self.size(), self.packed.ncols(), entry)
    }

    /// Q itself, `[rows, size]`.
    pub(crate) fn q(&self) -> Mat<f64> {
        self.q_times(Mat::identity(self.size(), self.size()).as_ref())
    }

    /// Q · `matrix`, where `matrix` is `[size, n]`.
    pub(crate) fn q_times(&self, matrix: MatRef<'_, f64>) -> Mat<f64> {
        let rows = self.packed.nrows();
        let cols = matrix.ncols();
        let mut product = Mat::zeros(rows, cols);
        if self.size() == 0 || cols == 0 {
            return product;
        }
        product.get_mut(..self.size(), ..).copy_from(matrix);
        let block = self.coefficients.nrows();
        let scratch = apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(rows, block, cols);
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            self.packed.get(.., ..self.size()),
            self.coefficients.as_ref(),
            Conj::No,
            product.as_mut(),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
        );
        product
    }
}

/// A thin singular value decomposition `u · diag(sigma) · vᵀ`, largest value first.
pub(crate) struct ThinSvd {
    pub(crate) u: Mat<f64>,
    pub(crate) sigma: Vec<f64>,
    pub(crate) v: Mat<f64>,
}

impl ThinSvd {
    pub(crate) fn new(matrix: MatRef<'_, f64>) -> Result<Self, NoConvergence> {
        let (rows, cols) = matrix.shape();
        let size = rows.min(cols);
        let mut u = Mat::zeros(rows, size);
        let mut sigma = Diag::zeros(size);
        let mut v = Mat::zeros(cols, size);
        if size > 0 {
            let vectors = ComputeSvdVectors::Thin;
            let scratch = svd_scratch::<f64>(rows, cols, vectors, vectors, Par::Seq, Default::default());
            let stack = &mut MemBuffer::new(scratch);
            let parameters = Default::default();
            svd(matrix, sigma.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, MemStack::new(stack), parameters)
                .map_err(|_| NoConvergence)?;
        }
        Ok(Self { u, sigma: sigma.column_vector().iter().copied().collect(), v })
    }

    /// The decomposition of `b · atᵀ`, by two thin QRs and the decomposition of a small core.
    pub(crate) fn of_product(b: Mat<f64>, at: Mat<f64>) -> Result<Self, NoConvergence> {
        let left = ThinQr::new(b);
        let right = ThinQr::new(at);
        let core = product(left.r().as_ref(), right.r().transpose());
        let svd = Self::new(core.as_ref())?;
        Ok(Self { u: left.q_times(svd.u.as_ref()), sigma: svd.sigma, v: right.q_times(svd.v.as_ref()) })
    }

    /// Keeps the first `count` directions.
    pub(crate) fn leading(mut self, count: usize) -> Self {
        self.sigma.truncate(count);
        self.u.truncate(self.u.nrows(), self.sigma.len());
        self.v.truncate(self.v.nrows(), self.sigma.len());
        self
    }

    /// Keeps the directions with σ above `share` of the largest: what is numerically there.
    pub(crate) fn above(self, share: f64) -> Self {
        let bound = self.sigma.first().copied().unwrap_or(0.0) * share;
        let count = self.sigma.iter().take_while(|sigma| **sigma > bound).count();
        self.leading(count)
    }
}

/// `left · right` in `f64`.
pub(crate) fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    product_into(out.as_mut(), left, right);
    out
}

/// Writes `left · right` into `out`.
pub(crate) fn product_into(out: MatMut<'_, f64>, left: MatRef<'_, f64>, right: MatRef<'_, f64>) {
    matmul(out, Accum::Replace, left, right, 1.0, Par::Seq);
}

/// The matrices side by side; all have `rows` rows.
pub(crate) fn side_by_side<'a>(rows: usize, parts: impl IntoIterator<Item = MatRef<'a, f64>>) -> Mat<f64> {
    let parts: Vec<_> = parts.into_iter().collect();
    let mut whole = Mat::zeros(rows, parts.iter().map(|part| part.ncols()).sum());
    let mut start = 0;
    for part in parts {
        whole.get_mut(.., start..start + part.ncols()).copy_from(part);
        start += part.ncols();
    }
    whole
}

/// Columns times numbers.
pub(crate) fn scale_columns(matrix: &mut Mat<f64>, factors: &[f64]) {
    for (col, factor) in factors.iter().enumerate() {
        matrix.col_mut(col).iter_mut().for_each(|entry| *entry *= factor);
    }
}

/// For every column, −1 if its entry of largest magnitude is negative (the first one of equals), else 1.
pub(crate) fn canonical_signs(basis: &Mat<f64>) -> Vec<f64> {
    let sign = |col: usize| {
        let entries = basis.col_as_slice(col);
        let (chunks, rest) = entries.as_chunks::<8>();
        // Eight maxima at a time: one alone would be a chain of as many steps as there are entries.
        let mut largest = [0.0f64; 8];
        for chunk in chunks {
            largest.iter_mut().zip(chunk).for_each(|(largest, entry)| *largest = largest.max(entry.abs()));
        }
        let largest = largest.iter().chain(rest).fold(0.0f64, |largest, entry| largest.max(entry.abs()));
        let first = entries.iter().find(|entry| entry.abs() >= largest);
        if first.is_some_and(|entry| *entry < 0.0) { -1.0 } else { 1.0 }
    };
    (0..basis.ncols()).map(sign).collect()
}

/// The smallest relative distance between neighbours of a falling sequence.
pub(crate) fn smallest_gap(sigma: &[f64]) -> Option<f64> {
    sigma.windows(2).map(|pair| (pair[0] - pair[1]) / pair[0]).reduce(f64::min)
}
