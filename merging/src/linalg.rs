//! Decompositions in `f64` on one thread: matrices are many and small, so the parallelism lies over them.

use faer::{
    Accum, Conj, Mat, MatRef, Par,
    dyn_stack::{MemBuffer, MemStack},
    linalg::{
        householder::{
            apply_block_householder_sequence_on_the_left_in_place_scratch,
            apply_block_householder_sequence_on_the_left_in_place_with_conj,
        },
        matmul::matmul,
        solvers::Qr,
    },
};

/// The iteration for singular values did not converge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoConvergence;

/// A thin QR decomposition whose Q stays a product of reflections.
pub(crate) struct ThinQr {
    rows: usize,
    cols: usize,
    qr: Option<Qr<f64>>,
}

impl ThinQr {
    pub(crate) fn new(matrix: MatRef<'_, f64>) -> Self {
        let (rows, cols) = matrix.shape();
        let qr = (rows > 0 && cols > 0).then(|| Qr::new(matrix));
        Self { rows, cols, qr }
    }

    /// The number of orthonormal columns of Q.
    pub(crate) fn size(&self) -> usize {
        self.rows.min(self.cols)
    }

    /// R, `[size, cols]`.
    pub(crate) fn r(&self) -> Mat<f64> {
        match &self.qr {
            Some(qr) => qr.thin_R().to_owned(),
            None => Mat::zeros(self.size(), self.cols),
        }
    }

    /// Q · `matrix`, where `matrix` is `[size, n]`.
    pub(crate) fn q_times(&self, matrix: MatRef<'_, f64>) -> Mat<f64> {
        let cols = matrix.ncols();
        let mut product = Mat::zeros(self.rows, cols);
        let Some(qr) = &self.qr else { return product };
        if cols == 0 {
            return product;
        }
        product.get_mut(..self.size(), ..).copy_from(matrix);
        let (basis, coefficients) = (qr.Q_basis(), qr.Q_coeff());
        let scratch =
            apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(self.rows, coefficients.nrows(), cols);
        apply_block_householder_sequence_on_the_left_in_place_with_conj(
            basis,
            coefficients,
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
        if rows == 0 || cols == 0 {
            return Ok(Self { u: Mat::zeros(rows, 0), sigma: Vec::new(), v: Mat::zeros(cols, 0) });
        }
        let svd = matrix.thin_svd().map_err(|_| NoConvergence)?;
        let sigma = svd.S().column_vector().iter().copied().collect();
        Ok(Self { u: svd.U().to_owned(), sigma, v: svd.V().to_owned() })
    }

    /// Keeps the first `count` directions.
    pub(crate) fn leading(self, count: usize) -> Self {
        let mut sigma = self.sigma;
        sigma.truncate(count);
        Self { u: self.u.get(.., ..sigma.len()).to_owned(), v: self.v.get(.., ..sigma.len()).to_owned(), sigma }
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
    if left.ncols() > 0 {
        matmul(out.as_mut(), Accum::Replace, left, right, 1.0, Par::Seq);
    }
    out
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
pub(crate) fn canonical_signs(basis: MatRef<'_, f64>) -> Vec<f64> {
    let sign = |col: usize| {
        let start = 0.0f64;
        let largest =
            basis.col(col).iter().fold(start, |best, entry| if entry.abs() > best.abs() { *entry } else { best });
        if largest < 0.0 { -1.0 } else { 1.0 }
    };
    (0..basis.ncols()).map(sign).collect()
}

/// The smallest relative distance between neighbours of a falling sequence.
pub(crate) fn smallest_gap(sigma: &[f64]) -> Option<f64> {
    sigma.windows(2).map(|pair| (pair[0] - pair[1]) / pair[0]).reduce(f64::min)
}
