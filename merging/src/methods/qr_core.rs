use crate::{align::Factors, linalg, linalg::ThinQr};
use faer::{Mat, MatRef};

/// Entries of a core below this share of its largest are zeros that rounding made noise of.
const CLEAN: f64 = 1e-6;

/// Task matrices between QR bases of the stacked factors.
#[derive(Debug)]
pub(crate) struct QrCore {
    /// `[O, p]`, orthonormal columns, p = min(O, R).
    pub(crate) left: Mat<f64>,
    /// `[I, q]`, orthonormal columns, q = min(I, R).
    pub(crate) right: Mat<f64>,
    /// `[p, q]` each.
    pub(crate) cores: Vec<Mat<f64>>,
}

/// The core space with bases by QR: ΔWₜ = U·Mₜ·Vᵀ with [B₁ … B_T] = U·R_B and [A₁ᵀ … A_Tᵀ] = V·R_A.
///
/// Mₜ = R_B⁽ᵗ⁾·R_A⁽ᵗ⁾ᵀ with the columns of R that belong to task t. The first task fills the leading r×r block, each
/// task the rows and columns up to its own; what lies after those is zero by construction. So the basis depends on the
/// order of the tasks, and elementwise merges of these cores are another method than those of cores with bases by SVD:
/// TIES of both differs by its own norm.
///
/// # Shapes
/// `shape` `[O, I]`; B `[O, rₜ]` with the scale in it, Aᵀ `[I, rₜ]`; a missing task has a zero core.
///
/// # Numerics
/// Householder QR in `f64`; every direction has the sign that makes its largest entry positive. Entries below 1e-6 of
/// the largest of a core are set to zero: where tasks share directions, exact zeros become noise of either sign, of
/// which TIES would keep some and count them in its mean.
///
/// # Source
/// `core_space` of `merge-and-rebase`, with the zeros set to zero; as it stands, its TIES results depend on rounding
/// by 20 to 30 %.
pub(crate) fn qr_core([rows, cols]: [usize; 2], tasks: &[Option<Factors>]) -> QrCore {
    let left = Side::new(rows, tasks.iter().flatten().map(|task| task.b.as_ref()));
    let right = Side::new(cols, tasks.iter().flatten().map(|task| task.at.as_ref()));
    let mut start = 0;
    let core = |task: &Option<Factors>| {
        let Some(task) = task else { return Mat::zeros(left.basis.ncols(), right.basis.ncols()) };
        let columns = start..start + task.b.ncols();
        start = columns.end;
        let b = left.coordinates.get(.., columns.clone());
        let a = right.coordinates.get(.., columns);
        cleaned(linalg::product(b, a.transpose()))
    };
    let cores = tasks.iter().map(core).collect();
    QrCore { left: left.basis, right: right.basis, cores }
}

struct Side {
    basis: Mat<f64>,
    /// R with the signs of the basis.
    coordinates: Mat<f64>,
}

impl Side {
    fn new<'a>(rows: usize, parts: impl Iterator<Item = MatRef<'a, f64>>) -> Self {
        let qr = ThinQr::new(linalg::side_by_side(rows, parts));
        let mut basis = qr.q();
        let signs = linalg::canonical_signs(&basis);
        linalg::scale_columns(&mut basis, &signs);
        let r = qr.r();
        let coordinates = Mat::from_fn(r.nrows(), r.ncols(), |row, col| signs[row] * r[(row, col)]);
        Self { basis, coordinates }
    }
}

fn cleaned(core: Mat<f64>) -> Mat<f64> {
    let largest = core.norm_max();
    Mat::from_fn(core.nrows(), core.ncols(), |row, col| {
        let entry = core[(row, col)];
        if entry.abs() < CLEAN * largest { 0.0 } else { entry }
    })
}

#[cfg(test)]
mod tests {
    use super::qr_core;
    use crate::align::Factors;
    use faer::Mat;

    #[test]
    fn cores_lead_back_to_the_updates_and_are_zero_after_their_own_task() {
        let task = |seed: usize| Factors {
            b: Mat::from_fn(7, 2, |row, col| ((row * 7 + col * 3 + seed * seed) % 11) as f64 - 5.0),
            at: Mat::from_fn(6, 2, |row, col| ((row * 5 + col * 2 + seed) % 13) as f64 - 6.0),
        };
        let updates: Vec<_> = [1, 4].map(|seed| &task(seed).b * task(seed).at.transpose()).into();
        let found = qr_core([7, 6], &[Some(task(1)), None, Some(task(4))]);
        let lift = |core: &Mat<f64>| &found.left * core * found.right.transpose();
        assert!((lift(&found.cores[0]) - &updates[0]).norm_l2() < 1e-10);
        assert!((lift(&found.cores[2]) - &updates[1]).norm_l2() < 1e-10);
        let is_zero = |row: usize, col: usize| found.cores[0][(row, col)].abs() < 1e-300;
        assert!((0..4).all(|index| is_zero(2, index) && is_zero(index, 3)));
        assert!(found.cores[1].norm_l2() < 1e-300);
    }
}
