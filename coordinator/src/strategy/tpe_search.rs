mod dimension;
#[cfg(test)]
mod tests;

use super::{
    batched::Batches,
    error::{StrategyError, combination},
};
use dimension::Dimension;
use jobs::{Parameter, RecipeSpec, Search};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::convert::Infallible;

/// The points of the Sobol sequence before the first estimate.
const SOBOL_POINTS: u64 = 10;

/// The points of a batch. As many workers can be busy with a search; a larger batch would know less for each point.
const BATCH: u64 = 4;

/// TPE: draws from where good points lie and bad ones do not, each parameter by itself.
///
/// - The first points are the recipe as it is written, with the first or the middle value where its own is none of them, and
///   ten points of an Owen-scrambled Sobol sequence, all in one batch.
/// - The others come in batches of four, and a batch begins when the one before has its results. Within a batch, the points
///   before count as as bad as the worst so far (a *constant liar*), so that the batch spreads.
/// - Each point is a function of the seed, of its number and of the earlier batches. More trials only add points.
/// - A failed point is worse than every other.
/// - The crate calls the logarithm and the exponential of the platform, so that another platform may draw other points.
///
/// # Source
/// Bergstra et al., Algorithms for Hyper-Parameter Optimization (NIPS 2011), by the crate `tpe` with its defaults: the best
/// tenth is good, and of 24 draws from the good ones the most promising is taken. The liar: Ginsbourger et al., Kriging Is
/// Well-Suited to Parallelize Optimization (2010).
#[derive(Debug, Clone)]
pub(super) struct Tpe {
    search: Search,
    dimensions: Vec<Dimension>,
    trials: u64,
    seed: u64,
    /// The points that have results.
    points: Vec<EvaluatedPoint>,
    /// The places of the points that were asked for last.
    asked: Vec<Vec<f64>>,
}

/// A point with its result.
#[derive(Debug, Clone)]
struct EvaluatedPoint {
    /// A place in each dimension.
    places: Vec<f64>,
    gain: Option<f64>,
}

impl Tpe {
    pub(super) fn of(search: &Search, trials: u32, seed: u64) -> Result<Self, StrategyError> {
        let dimension = |parameter: &Parameter| Dimension::of(parameter, &search.recipe);
        let dimensions: Vec<_> = search.parameters.iter().map(dimension).collect();
        // Without parameters, all points are the same.
        let trials = if dimensions.is_empty() { 1 } else { trials.into() };
        Ok(Self { search: search.clone(), dimensions, trials, seed, points: Vec::new(), asked: Vec::new() })
    }

    /// The recipe at places of the dimensions.
    fn spec(&self, places: &[f64]) -> Result<RecipeSpec, StrategyError> {
        let mut spec = self.search.recipe.clone();
        for (dimension, place) in self.dimensions.iter().zip(places) {
            let value = dimension.value(*place);
            spec.set(&dimension.key, &value).map_err(|source| combination(&self.search.name, &spec, source))?;
        }
        Ok(spec)
    }

    /// The recipe itself and the Sobol points, as far as there are trials.
    fn first_batch(&self) -> Vec<Vec<f64>> {
        // The sequence has a seed of 32 bits.
        let seed = (self.seed ^ (self.seed >> 32)) as u32;
        let sobol = |index: u64| {
            let share = |number: usize| f64::from(sobol_burley::sample(index as u32, number as u32, seed));
            self.dimensions.iter().enumerate().map(|(number, dimension)| dimension.place(share(number))).collect()
        };
        let own = self.dimensions.iter().map(Dimension::own).collect();
        let drawn = (0..SOBOL_POINTS.min(self.trials - 1)).map(sobol);
        std::iter::once(own).chain(drawn).collect()
    }

    /// A batch by the estimates from all earlier ones.
    fn next_batch(&self) -> Vec<Vec<f64>> {
        let begun = self.points.len() as u64;
        let mut points = self.points.clone();
        let worst = points.iter().filter_map(|point| point.gain).min_by(f64::total_cmp);
        let mut batch = Vec::new();
        for number in begun..self.trials.min(begun + BATCH) {
            let mut numbers = ChaCha8Rng::seed_from_u64(self.seed);
            numbers.set_stream(number);
            let places: Vec<f64> = self
                .dimensions
                .iter()
                .enumerate()
                .map(|(index, dimension)| draw(dimension, index, &points, &mut numbers))
                .collect();
            points.push(EvaluatedPoint { places: places.clone(), gain: worst });
            batch.push(places);
        }
        batch
    }
}

/// The next place in the dimension with this index.
fn draw(dimension: &Dimension, index: usize, points: &[EvaluatedPoint], numbers: &mut ChaCha8Rng) -> f64 {
    let mut optimiser = tpe::TpeOptimizer::new(dimension.estimator(), dimension.range());
    for EvaluatedPoint { places, gain } in points {
        // It minimises.
        let loss = gain.map_or(f64::INFINITY, |gain| -gain);
        optimiser.tell(places[index], loss).expect("places lie in the range, and losses are numbers");
    }
    let place: Result<f64, Infallible> = optimiser.ask(numbers);
    let Ok(place) = place;
    place
}

impl Batches for Tpe {
    fn ask(&mut self) -> Result<Vec<RecipeSpec>, StrategyError> {
        self.asked = if self.points.is_empty() { self.first_batch() } else { self.next_batch() };
        self.asked.iter().map(|places| self.spec(places)).collect()
    }

    fn tell(&mut self, gains: &[Option<f64>]) -> Result<(), StrategyError> {
        let asked = std::mem::take(&mut self.asked).into_iter().zip(gains);
        self.points.extend(asked.map(|(places, gain)| EvaluatedPoint { places, gain: *gain }));
        Ok(())
    }

    fn revise(&mut self, gains: &[Option<f64>]) {
        for (point, gain) in self.points.iter_mut().zip(gains) {
            point.gain = *gain;
        }
    }

    fn bound(&self) -> u64 {
        self.trials
    }
}
