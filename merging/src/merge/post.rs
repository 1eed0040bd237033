mod spectrum;

use crate::{
    Matrix, UpdateMatrix,
    align::AlignedMatrix,
    linalg::{self, NoConvergence, ThinSvd},
};
use faer::Mat;
use jobs::{FlattenOver, Normalise, PostSteps};
use spectrum::{Directions, calibrated, flattened, strongest};

/// Directions below this share of the largest are rounding noise of `f32` task matrices.
const NUMERICALLY_THERE: f64 = 1e-6;

/// What the steps know beside the merged matrix.
pub(super) struct Context<'a> {
    pub(super) steps: &'a PostSteps,
    pub(super) matrix: &'a AlignedMatrix,
    /// The weight of every task.
    pub(super) weights: &'a [f64],
    /// How many directions a matrix of the recipe's space has room for.
    pub(super) directions: usize,
}

/// An update, and the energy that a truncation took from it.
pub(super) struct Finished {
    pub(super) update: UpdateMatrix,
    pub(super) energy: Energy,
}

/// Squared Frobenius norms.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Energy {
    pub(super) lost: f64,
    pub(super) all: f64,
}

impl Context<'_> {
    /// Takes the steps after the combination: calibrates the spectrum, flattens it, truncates, normalises.
    ///
    /// # Shapes
    /// `merged`: a merge of the task matrices. In the coordinates of orthonormal bases the update has the same singular
    /// values and norm as on the weight.
    ///
    /// # Numerics
    /// In `f64`. Directions with σ ≤ 1e-6 of the largest count as none, where a step looks at directions.
    pub(super) fn finish(&self, mut merged: Mat<f64>) -> Result<Finished, NoConvergence> {
        self.matrix.lift.on_matrix(&mut merged);
        let looks_at_directions = PostSteps { normalise: None, ..*self.steps } != PostSteps::default();
        if !looks_at_directions {
            let factor = self.norm_factor(merged.norm_l2());
            let update = self.matrix.lift(Matrix::from_f64((merged * faer::Scale(factor)).as_ref()));
            return Ok(Finished { update, energy: Energy::default() });
        }
        Ok(self.finish_directions(ThinSvd::new(merged.as_ref())?))
    }

    /// The same for an update in factors, `b` `[O, r]` and `at` `[I, r]`, which stays one.
    pub(super) fn finish_factors(&self, b: Mat<f64>, at: Mat<f64>) -> Result<Finished, NoConvergence> {
        Ok(self.finish_directions(ThinSvd::of_product(b, at)?))
    }

    fn finish_directions(&self, svd: ThinSvd) -> Finished {
        let mut svd = svd.above(NUMERICALLY_THERE);
        if let Some(alpha) = self.steps.calibrate_spectrum {
            svd.sigma = self.calibrated(&svd, alpha);
        }
        if let Some(flatten) = self.steps.flatten {
            let count = match flatten.over {
                FlattenOver::Kept => svd.sigma.len(),
                FlattenOver::All => self.directions,
            };
            svd.sigma = flattened(&svd.sigma, flatten.share, count);
        }
        let mut energy = Energy::default();
        if let Some(rank) = self.steps.output_rank {
            energy.all = squares(&svd.sigma);
            svd = strongest(svd, rank as usize);
            energy.lost = energy.all - squares(&svd.sigma);
        }
        let factor = self.norm_factor(squares(&svd.sigma).sqrt());
        let sigma: Vec<f64> = svd.sigma.iter().map(|sigma| factor * sigma).collect();
        linalg::scale_columns(&mut svd.v, &sigma);
        let left = Matrix::from_f64(svd.u.as_ref());
        let right = Matrix::from_f64(svd.v.transpose());
        Finished { update: self.matrix.lift_factors(left, right), energy }
    }

    /// The calibration looks at directions of the outputs; `axis: rows` has these in the columns.
    fn calibrated(&self, svd: &ThinSvd, alpha: f64) -> Vec<f64> {
        let tasks = self.taking_part().map(|task| self.matrix.coordinates(task));
        if self.matrix.is_transposed() {
            let tasks: Vec<_> = tasks.map(|task| task.transposed_to_f64()).collect();
            return calibrated(&Directions { outputs: &svd.v, sigma: &svd.sigma, inputs: &svd.u }, &tasks, alpha);
        }
        let tasks: Vec<_> = tasks.map(|task| task.to_f64()).collect();
        calibrated(&Directions { outputs: &svd.u, sigma: &svd.sigma, inputs: &svd.v }, &tasks, alpha)
    }

    /// The tasks that have an update of the weight, and a share in it.
    fn taking_part(&self) -> impl Iterator<Item = usize> {
        (0..self.weights.len()).filter(|task| self.matrix.ranks[*task] > 0 && self.weights[*task].abs() > 0.0)
    }

    /// What gives a merge of norm `norm` the norm that is asked for.
    ///
    /// ‖ΔW‖ becomes Σₜ|wₜ|‖ΔWₜ‖ / Σₜ|wₜ| over the tasks that have an update of the weight: the mean norm, where tasks
    /// have no weights. A merge of zeros stays.
    ///
    /// # Source
    /// The rescaling of Pico (arXiv:2604.16826), which is the same without weights.
    fn norm_factor(&self, norm: f64) -> f64 {
        match self.steps.normalise {
            Some(Normalise::MeanNorm) if norm > 0.0 => {
                let weighed = |task: usize| self.weights[task].abs() * self.matrix.norm(task);
                let sum: f64 = self.taking_part().map(weighed).sum();
                let weights: f64 = self.taking_part().map(|task| self.weights[task].abs()).sum();
                sum / (weights * norm)
            }
            Some(Normalise::MeanNorm) | None => 1.0,
        }
    }
}

fn squares(sigma: &[f64]) -> f64 {
    sigma.iter().map(|sigma| sigma * sigma).sum()
}
