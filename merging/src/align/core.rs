use super::{Factors, Spectrum};
use crate::{
    Matrix,
    linalg::{self, NoConvergence, ThinQr, ThinSvd},
};
use faer::{Mat, MatRef};

/// Directions of the stacked factors below this share of the largest are rounding noise of rank-deficient stacks.
const NUMERICALLY_THERE: f64 = 1e-12;

/// One matrix's updates between the bases of the stacked factors.
pub(super) struct CoreBases {
    /// U_B, `[O, left]`.
    pub(super) left: Matrix,
    /// V_Aᵀ, `[right, I]`.
    pub(super) right: Matrix,
    /// U_BᵀΔWᵢV_A, `[left, right]` each.
    pub(super) parts: Vec<Matrix>,
    pub(super) spectrum: Spectrum,
}

pub(super) fn joint([rows, cols]: [usize; 2], factors: &[Option<Factors>]) -> Result<CoreBases, NoConvergence> {
    let left = Side::new(rows, factors, |factors| factors.b.as_ref())?;
    let right = Side::new(cols, factors, |factors| factors.at.as_ref())?;
    let mut start = 0;
    let part = |factors: &Option<Factors>| {
        let Some(factors) = factors else { return Matrix::zeros(left.kept(), right.kept()) };
        let columns = start..start + factors.b.ncols();
        start = columns.end;
        let b = left.coordinates.get(.., columns.clone());
        let a = right.coordinates.get(.., columns);
        Matrix::from_f64(linalg::product(b, a.transpose()).as_ref())
    };
    let parts = factors.iter().map(part).collect();
    let gap = left.gap.into_iter().chain(right.gap).reduce(f64::min);
    let spectrum = Spectrum { kept: left.kept().max(right.kept()), dropped: left.dropped.max(right.dropped), gap };
    let right = Matrix::from_f64(right.basis.transpose());
    Ok(CoreBases { left: Matrix::from_f64(left.basis.as_ref()), right, parts, spectrum })
}

/// The left singular vectors of stacked factors, and the factors in their coordinates.
struct Side {
    basis: Mat<f64>,
    coordinates: Mat<f64>,
    dropped: usize,
    gap: Option<f64>,
}

impl Side {
    fn new(
        rows: usize,
        factors: &[Option<Factors>],
        side: impl Fn(&Factors) -> MatRef<'_, f64>,
    ) -> Result<Self, NoConvergence> {
        let stacked = linalg::side_by_side(rows, factors.iter().flatten().map(side));
        let qr = ThinQr::new(stacked);
        let svd = ThinSvd::new(qr.r().as_ref())?;
        let found = svd.sigma.len();
        let mut svd = svd.above(NUMERICALLY_THERE);
        let mut basis = qr.q_times(svd.u.as_ref());
        let signs = linalg::canonical_signs(&basis);
        linalg::scale_columns(&mut basis, &signs);
        // Stacked = basis · diag(σ) · vᵀ, so its coordinates are diag(σ) · vᵀ with the same signs.
        let factors: Vec<_> = svd.sigma.iter().zip(&signs).map(|(sigma, sign)| sigma * sign).collect();
        linalg::scale_columns(&mut svd.v, &factors);
        let gap = linalg::smallest_gap(&svd.sigma);
        Ok(Self { basis, coordinates: svd.v.transpose().to_owned(), dropped: found - svd.sigma.len(), gap })
    }

    fn kept(&self) -> usize {
        self.basis.ncols()
    }
}
