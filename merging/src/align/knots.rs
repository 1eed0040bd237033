use super::{Factors, Spectrum};
use crate::{
    Matrix,
    linalg::{self, NoConvergence, ThinQr, ThinSvd},
};
use faer::{Mat, MatRef, prelude::ReborrowMut};
use jobs::{Sigma, SigmaCut};

/// The joint singular value decomposition of one matrix's updates.
pub(super) struct JointBasis {
    /// U, `[O, k]`.
    pub(super) basis: Matrix,
    /// ΣVᵢᵀ, `[k, I]` each, or Vᵢᵀ with σ in `row_scale`.
    pub(super) parts: Vec<Matrix>,
    pub(super) row_scale: Option<Vec<f32>>,
    pub(super) spectrum: Spectrum,
}

/// How many directions of a task's part are computed in `f64` at a time: they stay in the cache until they are rounded.
const DIRECTIONS: usize = 16;

/// Decomposes [ΔW₁ … ΔWₙ], `[O, nI]`, from its factors.
pub(super) fn joint(
    [rows, cols]: [usize; 2],
    factors: Vec<Option<Factors>>,
    cut: SigmaCut,
    place: Sigma,
) -> Result<JointBasis, NoConvergence> {
    let left = ThinQr::new(linalg::side_by_side(rows, factors.iter().flatten().map(|factors| factors.b.as_ref())));
    let right: Vec<_> = factors.into_iter().map(|factors| factors.map(|factors| ThinQr::new(factors.at))).collect();
    let svd = ThinSvd::new(core(&left, &right).as_ref())?;
    let largest = svd.sigma.first().copied().unwrap_or(0.0);
    let stays = |sigma: &&f64| **sigma > cut.absolute && **sigma > cut.relative * largest;
    let kept = svd.sigma.iter().take_while(stays).count();
    let dropped = svd.sigma.len() - kept;
    let mut svd = svd.leading(kept);
    let mut basis = left.q_times(svd.u.as_ref());
    let signs = linalg::canonical_signs(&basis);
    linalg::scale_columns(&mut basis, &signs);
    linalg::scale_columns(&mut svd.v, &signs);
    let spectrum = Spectrum { kept, dropped, gap: linalg::smallest_gap(&svd.sigma) };
    let row_scale = match place {
        Sigma::Folded => None,
        Sigma::After => {
            let count = svd.sigma.len();
            Some(std::mem::replace(&mut svd.sigma, vec![1.0; count]).into_iter().map(|sigma| sigma as f32).collect())
        }
    };
    Ok(JointBasis { basis: Matrix::from_f64(basis.as_ref()), parts: parts(cols, &right, &svd), row_scale, spectrum })
}

/// R_B · blkdiag(Lᵢ), where Lᵢ is the transpose of the R of Aᵢᵀ.
fn core(left: &ThinQr, right: &[Option<ThinQr>]) -> Mat<f64> {
    let r = left.r();
    let mut start = 0;
    let block = |right: &ThinQr| {
        let l = right.r();
        let columns = start..start + l.ncols();
        start = columns.end;
        linalg::product(r.get(.., columns), l.transpose())
    };
    let blocks: Vec<_> = right.iter().flatten().map(block).collect();
    linalg::side_by_side(left.size(), blocks.iter().map(Mat::as_ref))
}

fn parts(cols: usize, right: &[Option<ThinQr>], svd: &ThinSvd) -> Vec<Matrix> {
    let mut start = 0;
    let mut scratch = Mat::zeros(cols, DIRECTIONS);
    let part = |right: &Option<ThinQr>| {
        let Some(right) = right else { return Matrix::zeros(svd.sigma.len(), cols) };
        let rows = start..start + right.size();
        start = rows.end;
        part(right.q().as_ref(), svd.v.get(rows, ..), &svd.sigma, &mut scratch)
    };
    right.iter().map(part).collect()
}

/// diag(σ)·(q·v)ᵀ in `f32`, of factors rounded to `f32`.
fn part(q: MatRef<'_, f64>, v: MatRef<'_, f64>, sigma: &[f64], scratch: &mut Mat<f64>) -> Matrix {
    let mut data = Vec::with_capacity(q.nrows() * sigma.len());
    for (index, sigma) in sigma.chunks(DIRECTIONS).enumerate() {
        let start = index * DIRECTIONS;
        let mut directions = scratch.get_mut(.., ..sigma.len());
        linalg::product_into(directions.rb_mut(), q, v.get(.., start..start + sigma.len()));
        for (direction, sigma) in directions.col_iter().zip(sigma) {
            let sigma = *sigma as f32;
            data.extend(direction.iter().map(|entry| sigma * *entry as f32));
        }
    }
    Matrix::new(v.ncols(), q.nrows(), data)
}
