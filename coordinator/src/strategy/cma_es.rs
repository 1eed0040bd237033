mod optimiser;
mod square;
#[cfg(test)]
mod tests;

use super::{
    axis::own_number,
    batched::Batches,
    error::{StrategyError, combination},
    range::Range,
};
use jobs::{Parameter, RecipeSpec, Search, Values};
use optimiser::{Optimiser, Sample};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The standard deviation of the first generation, as a share of each range.
const FIRST_STEP: f64 = 0.3;

/// The search is over when the distribution is narrower than this share of the ranges: recipes differ in the fourth digit.
const LAST_SPREAD: f64 = 1e-4;

/// CMA-ES over whole ranges: see [`Optimiser`].
///
/// - The first point is the recipe as it is written, with the middle of a range where its own value lies outside. The first
///   generation is drawn around it.
/// - A generation is a batch: the next one begins when all its points have results. Of the last generation only as many
///   points are taken as `trials` has left.
/// - Each point is a function of the seed, of its number and of the earlier generations. More trials only add points.
/// - Ranges are reflected at their ends: a drawn number that lies outside by x counts as the one inside by x. The optimiser
///   takes the number as it was drawn, so that nothing is lost at the end of a range.
/// - With fewer trials than the recipe and one whole generation, the distribution never moves.
/// - The search ends early when the distribution is narrower than 10⁻⁴ of the ranges.
#[derive(Debug, Clone)]
pub(super) struct CmaEs {
    search: Search,
    ranges: Vec<Range>,
    trials: u64,
    seed: u64,
    optimiser: Optimiser,
    /// The points that were asked for.
    asked: u64,
    generation: Vec<Sample>,
}

impl CmaEs {
    pub(super) fn of(search: &Search, trials: u32, seed: u64) -> Result<Self, StrategyError> {
        let ranges =
            search.parameters.iter().map(|parameter| range(search, parameter)).collect::<Result<Vec<_>, _>>()?;
        let own = |(range, parameter): (&Range, &Parameter)| {
            own_number(&search.recipe, &parameter.key).and_then(|own| range.share(own)).unwrap_or(0.5)
        };
        let mean = ranges.iter().zip(&search.parameters).map(own).collect();
        // Without parameters, all points are the same.
        let trials = if ranges.is_empty() { 1 } else { trials.into() };
        let optimiser = Optimiser::new(mean, FIRST_STEP);
        Ok(Self { search: search.clone(), ranges, trials, seed, optimiser, asked: 0, generation: Vec::new() })
    }

    /// The recipe at a point.
    fn spec(&self, point: &[f64]) -> Result<RecipeSpec, StrategyError> {
        let mut spec = self.search.recipe.clone();
        for ((parameter, range), share) in self.search.parameters.iter().zip(&self.ranges).zip(point) {
            let value = range.value(reflected(*share));
            spec.set(&parameter.key, &value).map_err(|source| combination(&self.search.name, &spec, source))?;
        }
        Ok(spec)
    }

    /// The sample of the point with this number.
    fn sample(&self, number: u64) -> Sample {
        let mut numbers = ChaCha8Rng::seed_from_u64(self.seed);
        numbers.set_stream(number);
        let round = (0..self.optimiser.dimensions()).map(|_| normal(numbers.next_u64(), numbers.next_u64())).collect();
        self.optimiser.sample(round)
    }
}

impl Batches for CmaEs {
    fn ask(&mut self) -> Result<Vec<RecipeSpec>, StrategyError> {
        self.generation.clear();
        if self.asked == 0 {
            self.asked = 1;
            return Ok(vec![self.spec(self.optimiser.mean())?]);
        }
        let left = self.trials - self.asked;
        if left == 0 || self.optimiser.spread() < LAST_SPREAD {
            return Ok(Vec::new());
        }
        let count = left.min(self.optimiser.population() as u64);
        self.generation = (self.asked..self.asked + count).map(|number| self.sample(number)).collect();
        self.asked += count;
        self.generation.iter().map(|sample| self.spec(&sample.point)).collect()
    }

    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError> {
        // The recipe itself and an incomplete last generation move nothing.
        if self.generation.len() == self.optimiser.population() {
            self.optimiser.tell(&self.generation, gains);
        }
        Ok(())
    }

    fn bound(&self) -> u64 {
        self.trials
    }
}

fn range(search: &Search, parameter: &Parameter) -> Result<Range, StrategyError> {
    match &parameter.values {
        Values::Continuous { min, max, log } => Ok(Range::of(&parameter.key, *min, *max, *log)),
        Values::List(_) => Err(StrategyError::Listed { search: search.name.clone(), key: parameter.key.clone() }),
    }
}

/// A number as one in [0, 1], by reflection at both ends.
fn reflected(share: f64) -> f64 {
    let folded = share.rem_euclid(2.0);
    if folded > 1.0 { 2.0 - folded } else { folded }
}

/// A standard normal number from two uniform 64-bit numbers, by Box and Muller. `libm` gives the same on every machine.
fn normal(one: u64, other: u64) -> f64 {
    let uniform = |number: u64| (number >> 11) as f64 / (1u64 << 53) as f64;
    // In (0, 1], so that the logarithm is finite.
    let radius = (-2.0 * libm::log(1.0 - uniform(one))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * uniform(other))
}
