use super::{Factors, Spectrum};
use crate::{
    Matrix,
    linalg::{self, NoConvergence, ThinQr, ThinSvd},
};
use faer::{Mat, MatRef};
use jobs::SigmaCut;

/// The joint singular value decomposition of one matrix's updates.
pub(super) struct Joint {
    /// U, `[O, k]`.
    pub(super) basis: Matrix,
    /// ΣVᵢᵀ, `[k, I]` each.
    pub(super) parts: Vec<Matrix>,
    pub(super) spectrum: Spectrum,
}

/// Decomposes [ΔW₁ … ΔWₙ], `[O, nI]`, from its factors.
pub(super) fn joint(
    [rows, cols]: [usize; 2],
    factors: &[Option<Factors>],
    cut: SigmaCut,
) -> Result<Joint, NoConvergence> {
    let stacked = linalg::side_by_side(rows, factors.iter().flatten().map(|factors| factors.b.as_ref()));
    let left = ThinQr::new(stacked.as_ref());
    let right: Vec<_> = factors.iter().map(|factors| factors.as_ref().map(|f| ThinQr::new(f.at.as_ref()))).collect();
    let svd = ThinSvd::new(core(&left, factors, &right).as_ref())?;
    let largest = svd.sigma.first().copied().unwrap_or(0.0);
    let stays = |sigma: &&f64| **sigma > cut.absolute && **sigma > cut.relative * largest;
    let kept = svd.sigma.iter().take_while(stays).count();
    let dropped = svd.sigma.len() - kept;
    let mut svd = svd.leading(kept);
    let mut basis = left.q_times(svd.u.as_ref());
    let signs = linalg::canonical_signs(basis.as_ref());
    linalg::scale_columns(&mut basis, &signs);
    linalg::scale_columns(&mut svd.v, &signs);
    Ok(Joint {
        basis: Matrix::from_f64(basis.as_ref()),
        parts: parts(cols, &right, &svd),
        spectrum: Spectrum { kept, dropped, gap: linalg::smallest_gap(&svd.sigma) },
    })
}

/// R_B · blkdiag(Lᵢ), where Lᵢ is the transpose of the R of Aᵢᵀ.
fn core(left: &ThinQr, factors: &[Option<Factors>], right: &[Option<ThinQr>]) -> Mat<f64> {
    let r = left.r();
    let mut start = 0;
    let mut blocks = Vec::new();
    for (factors, right) in factors.iter().zip(right) {
        if let (Some(factors), Some(right)) = (factors, right) {
            let rank = factors.b.ncols();
            blocks.push(linalg::product(r.get(.., start..start + rank), right.r().transpose()));
            start += rank;
        }
    }
    linalg::side_by_side(left.size(), blocks.iter().map(Mat::as_ref))
}

fn parts(cols: usize, right: &[Option<ThinQr>], svd: &ThinSvd) -> Vec<Matrix> {
    let kept = svd.sigma.len();
    let mut start = 0;
    let part = |right: &Option<ThinQr>| {
        let Some(right) = right else { return Matrix::zeros(kept, cols) };
        let rows = start..start + right.size();
        start = rows.end;
        scaled_transpose(right.q_times(svd.v.get(rows, ..)).as_ref(), &svd.sigma)
    };
    right.iter().map(part).collect()
}

/// diag(σ)·vᵀ in `f32`, of factors rounded to `f32`.
fn scaled_transpose(v: MatRef<'_, f64>, sigma: &[f64]) -> Matrix {
    let mut data = Vec::with_capacity(v.nrows() * v.ncols());
    for (col, sigma) in v.col_iter().zip(sigma) {
        let sigma = *sigma as f32;
        data.extend(col.iter().map(|entry| sigma * *entry as f32));
    }
    Matrix::new(v.ncols(), v.nrows(), data)
}
