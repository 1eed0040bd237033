use super::NUMERICALLY_THERE;
use crate::{
    align::Factors,
    linalg::{self, NoConvergence, ThinQr, ThinSvd},
};
use faer::Mat;

/// Why there is no mean of bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMean {
    /// The iteration for singular values did not converge.
    NoConvergence,
    /// The tasks' factors span spaces of different dimensions.
    RanksDiffer,
}

impl From<NoConvergence> for NoMean {
    fn from(_: NoConvergence) -> Self {
        Self::NoConvergence
    }
}

/// Two bases of the rank of one adapter, in the middle of those of all tasks.
#[derive(Debug)]
pub(crate) struct MeanBases {
    /// `[O, r]`, orthonormal columns.
    pub(crate) left: Mat<f64>,
    /// `[I, r]`, orthonormal columns.
    pub(crate) right: Mat<f64>,
}

/// The geodesic mean of the tasks' column spaces and of their row spaces.
///
/// By side: m begins as the space of the first task; task i (from 2 on) moves it by the share wᵢ/(w₁ + … + wᵢ) along
/// the shortest path on the Grassmann manifold. With mᵀUᵢ = P·cos Θ·Qᵀ and H = (UᵢQ − mP cos Θ)/sin Θ, the point at the
/// share η is mP·cos(ηΘ) + H·sin(ηΘ). Task matrices are then Cₜ = LᵀΔWₜR, so the merge has rank r and loses what lies
/// outside both bases.
///
/// # Shapes
/// `tasks`: B `[O, r]` and Aᵀ `[I, r]` in any orthonormal coordinates, at least one, all of the same rank; `weights`
/// as many, all > 0.
///
/// # Numerics
/// `f64`. The mean depends on the order of the tasks. Directions at a right angle have no unique shortest path: which
/// one is taken is left to the SVD.
///
/// # Errors
/// Factors of different rank (directions with σ ≤ 1e-6 of the largest do not count); an SVD that does not converge.
///
/// # Source
/// `geo_core`, variant `geodesic_mean`, of `merge-and-rebase`, which weighs tasks equally by default.
pub(crate) fn geodesic_mean(tasks: &[&Factors], weights: &[f64]) -> Result<MeanBases, NoMean> {
    let side = |basis: fn(&Factors) -> &Mat<f64>| -> Result<Mat<f64>, NoMean> {
        let bases = tasks.iter().map(|task| Ok(ThinSvd::new(basis(task).as_ref())?.above(NUMERICALLY_THERE).u));
        mean(&bases.collect::<Result<Vec<_>, NoConvergence>>()?, weights)
    };
    Ok(MeanBases { left: side(|task| &task.b)?, right: side(|task| &task.at)? })
}

fn mean(bases: &[Mat<f64>], weights: &[f64]) -> Result<Mat<f64>, NoMean> {
    let Some(first) = bases.first() else { return Err(NoMean::RanksDiffer) };
    if bases.iter().any(|basis| basis.ncols() != first.ncols()) {
        return Err(NoMean::RanksDiffer);
    }
    let mut mean = first.clone();
    let mut total = weights[0];
    for (basis, weight) in bases.iter().zip(weights).skip(1) {
        total += weight;
        mean = between(&mean, basis, weight / total)?;
    }
    let signs = linalg::canonical_signs(&mean);
    linalg::scale_columns(&mut mean, &signs);
    Ok(mean)
}

/// The space at the share `position` of the way from `from` to `to`.
fn between(from: &Mat<f64>, to: &Mat<f64>, position: f64) -> Result<Mat<f64>, NoConvergence> {
    let overlap = ThinSvd::new(linalg::product(from.transpose(), to.as_ref()).as_ref())?;
    let mut start = linalg::product(from.as_ref(), overlap.u.as_ref());
    let end = linalg::product(to.as_ref(), overlap.v.as_ref());
    for (index, cosine) in overlap.sigma.iter().enumerate() {
        let ahead: Vec<f64> =
            end.col(index).iter().zip(start.col(index).iter()).map(|(to, at)| to - cosine * at).collect();
        let sine = ahead.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        let angle = position * sine.atan2(*cosine);
        // Directions that the spaces share stay where they are.
        let step = if sine > 0.0 { angle.sin() / sine } else { 0.0 };
        start.col_mut(index).iter_mut().zip(&ahead).for_each(|(at, ahead)| *at = angle.cos() * *at + step * ahead);
    }
    Ok(ThinQr::new(start).q())
}

#[cfg(test)]
mod tests {
    use super::{NoMean, geodesic_mean};
    use crate::align::Factors;
    use faer::Mat;

    fn line(angle: f64) -> Factors {
        let column = Mat::from_fn(2, 1, |row, _| if row == 0 { 3.0 * angle.cos() } else { 3.0 * angle.sin() });
        Factors { b: column.clone(), at: column }
    }

    fn angle(basis: &Mat<f64>) -> f64 {
        basis[(1, 0)].atan2(basis[(0, 0)])
    }

    #[test]
    fn the_mean_of_lines_lies_at_the_mean_of_their_angles() {
        let mean = geodesic_mean(&[&line(0.1), &line(0.3), &line(0.8)], &[1.0; 3]).unwrap();
        assert!((angle(&mean.left) - 0.4).abs() < 1e-12 && (angle(&mean.right) - 0.4).abs() < 1e-12);
        let weighted = geodesic_mean(&[&line(0.1), &line(0.5)], &[3.0, 1.0]).unwrap();
        assert!((angle(&weighted.left) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn equal_spaces_are_their_own_mean() {
        let mean = geodesic_mean(&[&line(0.7), &line(0.7)], &[1.0; 2]).unwrap();
        assert!((angle(&mean.left) - 0.7).abs() < 1e-7);
    }

    #[test]
    fn spaces_of_different_dimensions_have_no_mean() {
        let plane = Factors { b: Mat::identity(2, 2), at: Mat::identity(2, 2) };
        assert_eq!(geodesic_mean(&[&line(0.1), &plane], &[1.0; 2]).unwrap_err(), NoMean::RanksDiffer);
    }
}
