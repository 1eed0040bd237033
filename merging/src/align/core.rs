use super::{Factors, Form, Spectrum};
use crate::{
    Matrix,
    linalg::{self, NoConvergence, ThinQr, ThinSvd},
};
use faer::{Mat, MatRef};

/// Directions of the stacked factors below this share of the largest are rounding noise of rank-deficient stacks.
const NUMERICALLY_THERE: f64 = 1e-12;

/// One matrix's updates between two bases.
pub(super) struct CoreBases {
    /// U_B, `[O, left]`.
    pub(super) left: Mat<f64>,
    /// V_A, `[I, right]`.
    pub(super) right: Mat<f64>,
    /// U_BᵀΔWᵢV_A, `[left, right]` each.
    pub(super) parts: Vec<Mat<f64>>,
    /// The singular values that belong to U_B, largest first; none for bases of other kinds.
    pub(super) output_sigma: Vec<f64>,
    pub(super) spectrum: Spectrum,
}

impl CoreBases {
    /// The coordinates in bases within these ones: `left` and `right` are those bases, in the coordinates of these.
    pub(super) fn within(self, left: &Mat<f64>, right: &Mat<f64>, parts: Vec<Mat<f64>>) -> Self {
        Self {
            left: linalg::product(self.left.as_ref(), left.as_ref()),
            right: linalg::product(self.right.as_ref(), right.as_ref()),
            spectrum: Spectrum { kept: left.ncols().max(right.ncols()), ..self.spectrum },
            output_sigma: Vec::new(),
            parts,
        }
    }

    /// The form, and the cores before they are rounded.
    pub(super) fn into_form(self) -> (Form, Vec<Mat<f64>>) {
        let form = Form::Core {
            left: Matrix::from_f64(self.left.as_ref()).into(),
            right: Matrix::from_f64(self.right.transpose()).into(),
            parts: self.parts.iter().map(|part| Matrix::from_f64(part.as_ref())).collect(),
        };
        (form, self.parts)
    }
}

/// Which orthonormal bases of the stacked factors are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bases {
    /// Their left singular vectors, largest σ first.
    Svd,
    /// The Q of their QR decomposition, in the order of the tasks. The columns of R that belong to a task are zero below
    /// its own rows, so its core has exact zeros there.
    Qr,
}

pub(super) fn joint(
    [rows, cols]: [usize; 2],
    factors: &[Option<Factors>],
    bases: Bases,
) -> Result<CoreBases, NoConvergence> {
    let left = Side::new(rows, factors, bases, |factors| factors.b.as_ref())?;
    let right = Side::new(cols, factors, bases, |factors| factors.at.as_ref())?;
    let mut start = 0;
    let part = |factors: &Option<Factors>| {
        let Some(factors) = factors else { return Mat::zeros(left.kept(), right.kept()) };
        let columns = start..start + factors.b.ncols();
        start = columns.end;
        let b = left.coordinates.get(.., columns.clone());
        let a = right.coordinates.get(.., columns);
        let mut core = linalg::product(b, a.transpose());
        if bases == Bases::Qr {
            clear_noise(&mut core);
        }
        core
    };
    let parts = factors.iter().map(part).collect();
    let gap = left.gap.into_iter().chain(right.gap).reduce(f64::min);
    let spectrum = Spectrum { kept: left.kept().max(right.kept()), dropped: left.dropped.max(right.dropped), gap };
    Ok(CoreBases { left: left.basis, right: right.basis, parts, output_sigma: left.sigma, spectrum })
}

/// Sets entries below 1e-6 of the largest to zero.
///
/// Entry-wise steps count an entry as there if it is not zero, however small it is. Between the zeros of the structure
/// that the bases of a QR give, an entry of that size is rounding noise in the `f32` bases of merge-and-rebase.
fn clear_noise(core: &mut Mat<f64>) {
    let bound = 1e-6 * core.norm_max();
    for column in core.col_iter_mut() {
        column.iter_mut().filter(|entry| entry.abs() < bound).for_each(|entry| *entry = 0.0);
    }
}

/// An orthonormal basis of stacked factors, and the factors in its coordinates.
struct Side {
    basis: Mat<f64>,
    /// Largest first; none for a basis by QR.
    sigma: Vec<f64>,
    coordinates: Mat<f64>,
    dropped: usize,
    gap: Option<f64>,
}

impl Side {
    fn new(
        rows: usize,
        factors: &[Option<Factors>],
        bases: Bases,
        side: impl Fn(&Factors) -> MatRef<'_, f64>,
    ) -> Result<Self, NoConvergence> {
        let stacked = linalg::side_by_side(rows, factors.iter().flatten().map(side));
        let qr = ThinQr::new(stacked);
        if bases == Bases::Qr {
            return Ok(Self { basis: qr.q(), sigma: Vec::new(), coordinates: qr.r(), dropped: 0, gap: None });
        }
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
        let coordinates = svd.v.transpose().to_owned();
        Ok(Self { basis, dropped: found - svd.sigma.len(), sigma: svd.sigma, coordinates, gap })
    }

    fn kept(&self) -> usize {
        self.basis.ncols()
    }
}
