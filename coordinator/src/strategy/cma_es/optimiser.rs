use super::square::{Eigen, Square};

/// The largest number of dimensions whose covariances are adapted as well; from there on variances alone are.
pub(super) const MOST_FULL: usize = 32;

/// CMA-ES: a normal distribution that moves to where points are better.
///
/// A generation has λ = 4 + ⌊3 ln n⌋ points x = m + σy with y ~ N(0, C). Its better half moves the mean m; its steps, and
/// the path that the mean takes, change the covariance C and the step size σ.
///
/// # Numerics
/// Positive weights alone. With up to 32 dimensions C is a full matrix, whose decomposition costs O(n³) a generation; with
/// more it is diagonal, with learning rates larger by (n + 2)/3. Points without a value are worse than all others. A
/// generation without any value changes nothing; one of equal values only widens σ, by e^(0.2 + c_σ/d_σ) up to where it began.
///
/// # Source
/// Hansen, The CMA Evolution Strategy: A Tutorial (arXiv:1604.00772, version 1, whose c_μ this is), section B and table 1 without negative weights; equal
/// values as in its appendix. The diagonal form: Ros and Hansen, A Simple Modification in CMA-ES Achieving Linear Time
/// and Space Complexity (PPSN 2008).
#[derive(Debug, Clone)]
pub(super) struct Optimiser {
    constants: Constants,
    mean: Vec<f64>,
    step: f64,
    first_step: f64,
    /// p_σ: the path of the mean, in coordinates in which the distribution is round.
    step_path: Vec<f64>,
    /// p_c: the path of the mean.
    path: Vec<f64>,
    covariance: Covariance,
    generation: u32,
}

/// The covariance C of steps.
#[derive(Debug, Clone)]
enum Covariance {
    Full { matrix: Square, eigen: Eigen },
    Diagonal(Vec<f64>),
}

/// A point of a generation.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// The standard normal numbers that it was made from.
    round: Vec<f64>,
    /// The step y.
    step: Vec<f64>,
    /// The point x = m + σy.
    pub(super) point: Vec<f64>,
}

/// What follows from the number of dimensions.
#[derive(Debug, Clone)]
struct Constants {
    population: usize,
    /// Of the better half, the best first; their sum is 1.
    weights: Vec<f64>,
    effective: f64,
    step_rate: f64,
    step_damping: f64,
    path_rate: f64,
    one_rate: f64,
    many_rate: f64,
    /// The expected length of a standard normal vector.
    usual_length: f64,
}

impl Constants {
    fn of(dimensions: usize, is_full: bool) -> Self {
        let n = dimensions as f64;
        let population = 4 + (3.0 * libm::log(n)).floor() as usize;
        let raw = |rank: usize| libm::log((population as f64 + 1.0) / 2.0) - libm::log(rank as f64);
        let weights: Vec<f64> = (1..=population / 2).map(raw).collect();
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
        let effective = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let step_rate = (effective + 2.0) / (n + effective + 5.0);
        let faster = if is_full { 1.0 } else { (n + 2.0) / 3.0 };
        let one_rate = (faster * 2.0 / ((n + 1.3).powi(2) + effective)).min(1.0);
        let many_rate = faster * 2.0 * (effective - 2.0 + 1.0 / effective) / ((n + 2.0).powi(2) + effective);
        Self {
            population,
            weights,
            effective,
            step_rate,
            step_damping: 1.0 + 2.0 * (((effective - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + step_rate,
            path_rate: (4.0 + effective / n) / (n + 4.0 + 2.0 * effective / n),
            one_rate,
            many_rate: many_rate.min(1.0 - one_rate),
            usual_length: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

impl Optimiser {
    /// A distribution around `mean` of the size `step`. At least one dimension.
    pub(super) fn new(mean: Vec<f64>, step: f64) -> Self {
        let dimensions = mean.len();
        let is_full = dimensions <= MOST_FULL;
        let covariance = if is_full {
            let matrix = Square::identity(dimensions);
            let eigen = Eigen { vectors: matrix.clone(), values: vec![1.0; dimensions] };
            Covariance::Full { matrix, eigen }
        } else {
            Covariance::Diagonal(vec![1.0; dimensions])
        };
        Self {
            constants: Constants::of(dimensions, is_full),
            mean,
            step,
            first_step: step,
            step_path: vec![0.0; dimensions],
            path: vec![0.0; dimensions],
            covariance,
            generation: 0,
        }
    }

    /// The number of points of a generation.
    pub(super) fn population(&self) -> usize {
        self.constants.population
    }

    /// The middle of the distribution.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    pub(super) fn dimensions(&self) -> usize {
        self.mean.len()
    }

    /// The largest standard deviation of the distribution.
    pub(super) fn spread(&self) -> f64 {
        let variances = match &self.covariance {
            Covariance::Full { eigen, .. } => &eigen.values,
            Covariance::Diagonal(variances) => variances,
        };
        self.step * variances.iter().copied().fold(0.0, f64::max).sqrt()
    }

    /// The point that standard normal numbers stand for.
    pub(super) fn sample(&self, round: Vec<f64>) -> Sample {
        let step = self.covariance.stretch(&round);
        let point = self.mean.iter().zip(&step).map(|(mean, step)| mean + self.step * step).collect();
        Sample { round, step, point }
    }

    /// Takes how good the points of a whole generation are; more is better.
    pub(super) fn tell(&mut self, samples: &[Sample], gains: &[Option<f64>]) {
        let mut order: Vec<usize> = (0..samples.len()).collect();
        let gain = |index: &usize| gains[*index].unwrap_or(f64::NEG_INFINITY);
        // The sort is stable: of equal points the earlier one comes first.
        order.sort_by(|one, other| gain(other).total_cmp(&gain(one)));
        let (Some(best), Some(worst)) = (order.first(), order.last()) else { return };
        if gains[*best].is_none() {
            return;
        }
        if gain(best).total_cmp(&gain(worst)).is_eq() {
            let Constants { step_rate, step_damping, .. } = self.constants;
            self.step = (self.step * libm::exp(0.2 + step_rate / step_damping)).min(self.first_step.max(self.step));
            return;
        }
        let better: Vec<&Sample> =
            order.iter().take(self.constants.weights.len()).map(|index| &samples[*index]).collect();
        self.update(&better);
    }

    /// Moves the distribution to the better half of a generation, the best first.
    fn update(&mut self, better: &[&Sample]) {
        let Constants { step_rate, step_damping, path_rate, effective, usual_length, .. } = self.constants;
        let mean_of = |part: fn(&Sample) -> &Vec<f64>| weighted_mean(&self.constants.weights, better, part);
        let step = mean_of(|sample| &sample.step);
        let round = self.covariance.turn(&mean_of(|sample| &sample.round));
        for (mean, step) in self.mean.iter_mut().zip(&step) {
            *mean += self.step * step;
        }
        self.generation += 1;
        follow(&mut self.step_path, step_rate, (step_rate * (2.0 - step_rate) * effective).sqrt(), &round);
        let length = self.step_path.iter().map(|x| x * x).sum::<f64>().sqrt();
        let remembered = 1.0 - libm::pow(1.0 - step_rate, 2.0 * f64::from(self.generation));
        let n = self.mean.len() as f64;
        let is_short = length / remembered.sqrt() < (1.4 + 2.0 / (n + 1.0)) * usual_length;
        let share = if is_short { (path_rate * (2.0 - path_rate) * effective).sqrt() } else { 0.0 };
        follow(&mut self.path, path_rate, share, &step);
        let lost = if is_short { 0.0 } else { path_rate * (2.0 - path_rate) };
        self.covariance.learn(&self.constants, lost, &self.path, better);
        self.step *= libm::exp(step_rate / step_damping * (length / usual_length - 1.0));
    }
}

/// The weighted mean of a part of samples.
fn weighted_mean(weights: &[f64], better: &[&Sample], part: fn(&Sample) -> &Vec<f64>) -> Vec<f64> {
    let mut mean = vec![0.0; better.first().map_or(0, |sample| part(sample).len())];
    for (weight, sample) in weights.iter().zip(better) {
        mean.iter_mut().zip(part(sample)).for_each(|(sum, x)| *sum += weight * x);
    }
    mean
}

/// (1 − rate) · path + share · step.
fn follow(path: &mut [f64], rate: f64, share: f64, step: &[f64]) {
    for (path, step) in path.iter_mut().zip(step) {
        *path = (1.0 - rate) * *path + share * step;
    }
}

impl Covariance {
    /// A standard normal vector as one of this covariance.
    fn stretch(&self, round: &[f64]) -> Vec<f64> {
        match self {
            Self::Full { eigen, .. } => {
                let scaled: Vec<f64> = round.iter().zip(&eigen.values).map(|(x, value)| x * value.sqrt()).collect();
                eigen.vectors.times(&scaled)
            }
            Self::Diagonal(variances) => round.iter().zip(variances).map(|(x, variance)| x * variance.sqrt()).collect(),
        }
    }

    /// C^(−1/2) of what [`stretch`](Self::stretch) makes of the vector.
    fn turn(&self, round: &[f64]) -> Vec<f64> {
        match self {
            Self::Full { eigen, .. } => eigen.vectors.times(round),
            Self::Diagonal(_) => round.to_vec(),
        }
    }

    /// The rank-one update by the path, and the rank-μ update by the steps of the better half.
    fn learn(&mut self, constants: &Constants, lost: f64, path: &[f64], better: &[&Sample]) {
        let Constants { one_rate, many_rate, weights, .. } = constants;
        let kept = 1.0 + one_rate * lost - one_rate - many_rate;
        match self {
            Self::Full { matrix, eigen } => {
                matrix.scale(kept);
                matrix.add_outer(*one_rate, path);
                for (weight, sample) in weights.iter().zip(better) {
                    matrix.add_outer(many_rate * weight, &sample.step);
                }
                *eigen = matrix.eigen();
                // Rounding may bring the smallest ones below zero.
                eigen.values.iter_mut().for_each(|value| *value = value.max(f64::MIN_POSITIVE));
            }
            Self::Diagonal(variances) => {
                for (i, variance) in variances.iter_mut().enumerate() {
                    let steps = weights.iter().zip(better).map(|(weight, sample)| weight * sample.step[i].powi(2));
                    *variance = kept * *variance + one_rate * path[i].powi(2) + many_rate * steps.sum::<f64>();
                }
            }
        }
    }
}
