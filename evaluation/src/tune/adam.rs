//! Adam.

const MEAN: f64 = 0.9;
const SQUARE: f64 = 0.999;
const EPS: f64 = 1e-8;

/// What Adam knows of the gradients so far.
pub(super) struct Moments<'a> {
    pub(super) means: &'a mut [f64],
    pub(super) squares: &'a mut [f64],
}

/// Moves parameters by one step of Adam; `step` counts from 1.
///
/// m ← 0.9 m + 0.1 g, v ← 0.999 v + 0.001 g², θ ← θ − rate · m̂ / (√v̂ + 1e-8), with m̂ = m / (1 − 0.9ⁿ), v̂ = v / (1 −
/// 0.999ⁿ).
///
/// # Source
/// Kingma and Ba (arXiv:1412.6980), algorithm 1; `torch.optim.Adam` with its defaults.
pub(super) fn step(parameters: &mut [f64], gradients: &[f64], moments: Moments<'_>, rate: f64, step: usize) {
    let n = i32::try_from(step).unwrap_or(i32::MAX);
    let mean_share = 1.0 - MEAN.powi(n);
    let square_share = 1.0 - SQUARE.powi(n);
    let entries = parameters.iter_mut().zip(gradients).zip(moments.means).zip(moments.squares);
    for (((parameter, gradient), mean), square) in entries {
        *mean = MEAN * *mean + (1.0 - MEAN) * gradient;
        *square = SQUARE * *square + (1.0 - SQUARE) * gradient * gradient;
        *parameter -= rate * (*mean / mean_share) / ((*square / square_share).sqrt() + EPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first step is the rate, whatever the gradient's size.
    #[test]
    fn the_first_step_is_the_rate_against_the_gradient() {
        let mut parameters = [1.0, 1.0, 1.0];
        let mut means = [0.0; 3];
        let mut squares = [0.0; 3];
        let moments = Moments { means: &mut means, squares: &mut squares };
        step(&mut parameters, &[1e-3, -50.0, 0.0], moments, 0.1, 1);
        let want = [0.9, 1.1, 1.0];
        assert!(parameters.iter().zip(want).all(|(got, want)| (got - want).abs() < 1e-5), "{parameters:?}");
    }
}
