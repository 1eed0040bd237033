use rand_chacha::rand_core::Rng;
use rand_pcg::Pcg64;

/// The order in which NumPy's `default_rng(seed).permutation(count)` puts the numbers below `count`.
///
/// The seed becomes the state of a PCG64 generator by way of `SeedSequence`. Then, for `i = count − 1, …, 1`, number
/// `i` changes places with a number drawn from `0..=i`.
///
/// # Source
/// NumPy 2: `bit_generator.pyx` (`SeedSequence`), `pcg64.c`, `_generator.pyx` (`Generator.permutation`) and
/// `distributions.c` (`random_interval`). NumPy promises to keep the bit streams of a seed, and not those of the
/// distributions; `permutation` has given these orders since NumPy 1.18.
pub(super) fn permutation(count: u64, seed: u64) -> Vec<u64> {
    let mut draws = Draws::new(seed);
    let mut order: Vec<u64> = (0..count).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, draws.up_to(i as u64) as usize);
    }
    order
}

/// NumPy's bounded draws.
struct Draws {
    generator: Pcg64,
    /// The upper half of the last draw, which the next one of 32 bits takes.
    left_over: Option<u32>,
}

impl Draws {
    fn new(seed: u64) -> Self {
        let [a, b, c, d] = seed_words(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        Self { generator: Pcg64::new(wide(a, b), wide(c, d)), left_over: None }
    }

    /// A number from 0 to `limit`, both included: the lowest bits of draws, of which those above the limit are refused.
    fn up_to(&mut self, limit: u64) -> u64 {
        let mask = u64::MAX.checked_shr(limit.leading_zeros()).unwrap_or(0);
        loop {
            let draw = if u32::try_from(limit).is_ok() { self.next_u32().into() } else { self.generator.next_u64() };
            if draw & mask <= limit {
                return draw & mask;
            }
        }
    }

    fn next_u32(&mut self) -> u32 {
        self.left_over.take().unwrap_or_else(|| {
            let draw = self.generator.next_u64();
            self.left_over = Some((draw >> 32) as u32);
            draw as u32
        })
    }
}

/// What `SeedSequence(seed).generate_state(4, uint64)` gives.
fn seed_words(seed: u64) -> [u64; 4] {
    let pool = pool(seed);
    let mut constant = 0x8b51_f9dd;
    let words: [u32; 8] = std::array::from_fn(|i| hash(pool[i % 4], &mut constant, 0x58f3_8ded));
    std::array::from_fn(|i| u64::from(words[2 * i]) | u64::from(words[2 * i + 1]) << 32)
}

/// The four words of entropy that a seed is spread over, each mixed with all others.
fn pool(seed: u64) -> [u32; 4] {
    let mut constant = 0x43b0_d7e5;
    let mut hashed = |value| hash(value, &mut constant, 0x931e_8875);
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(&mut hashed);
    for from in 0..4 {
        for to in (0..4).filter(|to| *to != from) {
            pool[to] = mix(pool[to], hashed(pool[from]));
        }
    }
    pool
}

fn hash(value: u32, constant: &mut u32, factor: u32) -> u32 {
    let value = value ^ *constant;
    *constant = constant.wrapping_mul(factor);
    let value = value.wrapping_mul(*constant);
    value ^ value >> 16
}

fn mix(one: u32, other: u32) -> u32 {
    let mixed = one.wrapping_mul(0xca01_f9dd).wrapping_sub(other.wrapping_mul(0x4973_f715));
    mixed ^ mixed >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_become_the_words_of_numpys_seed_sequence() {
        let of_42 = [0x9f1e_2e6d_cd54_0ab7, 0xd578_73dc_79fb_94b6, 0x7d28_2a1b_64d4_20b7, 0x3365_7971_4692_d5ff];
        assert_eq!(seed_words(42), of_42);
    }

    #[test]
    fn draws_beyond_32_bits_stay_within_their_limit() {
        let mut draws = Draws::new(42);
        assert!((0..100).map(|_| draws.up_to(1 << 40)).all(|drawn| drawn <= 1 << 40));
        assert_eq!(draws.up_to(0), 0);
    }
}
