use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rand_distr::{Binomial, Distribution};

/// Numbers drawn from a stream that a seed and a place name: the same on any machine.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of `place` under `seed`.
    pub(super) fn new(seed: u64, place: u64) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(place);
        Self(generator)
    }

    /// A whole number below `bound`, which is above 0.
    ///
    /// The upper half of a product of 64 bits each: some are likelier than others by no more than 1 in 2⁶⁴ / `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.0.next_u64()) * u128::from(bound);
        (product >> 64) as u64
    }

    /// How many of `trials` succeed, each with probability `share` in [0, 1].
    pub(super) fn successes(&mut self, trials: u64, share: f64) -> u64 {
        // A share that is none has no distribution, and no success.
        Binomial::new(trials, share).map_or(0, |binomial| binomial.sample(&mut self.0))
    }
}
