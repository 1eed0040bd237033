//! Which examples a step takes.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The examples of a task that a step takes, counted from 0: batch after batch, pass after pass over all of them.
///
/// Without a seed, the order is that of the examples. With one, each pass has an order of its own, which depends on
/// seed, task and pass alone. A batch takes no more than all examples.
pub(crate) fn batch(step: usize, size: usize, examples: usize, task: usize, seed: Option<u64>) -> Vec<usize> {
    let size = size.min(examples);
    let Some(seed) = seed else {
        return (0..size).map(|n| (step * size + n) % examples).collect();
    };
    let mut taken = Vec::with_capacity(size);
    let mut order = (usize::MAX, Vec::new());
    for place in step * size..(step + 1) * size {
        let pass = place / examples;
        if order.0 != pass {
            order = (pass, shuffled(examples, seed, task, pass));
        }
        taken.push(order.1[place % examples]);
    }
    taken
}

pub(crate) fn shuffled(examples: usize, seed: u64, task: usize, pass: usize) -> Vec<usize> {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, task as u64, pass as u64]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    let mut random = ChaCha8Rng::from_seed(key);
    let mut order: Vec<usize> = (0..examples).collect();
    for last in (1..examples).rev() {
        let share = u128::from(random.next_u64()) * (last as u128 + 1);
        order.swap(last, (share >> 64) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_seed_batches_follow_the_order_and_begin_again() {
        assert_eq!(batch(0, 4, 10, 0, None), [0, 1, 2, 3]);
        assert_eq!(batch(2, 4, 10, 3, None), [8, 9, 0, 1]);
        assert_eq!(batch(5, 16, 3, 0, None), [0, 1, 2], "a batch takes no example twice");
    }

    #[test]
    fn a_seeded_pass_takes_every_example_once_in_an_order_of_its_own() {
        let pass = |pass: usize, task, seed| -> Vec<usize> {
            (pass * 3..pass * 3 + 3).flat_map(|step| batch(step, 4, 12, task, Some(seed))).collect()
        };
        let mut sorted = pass(0, 0, 7);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..12).collect::<Vec<_>>());
        assert_eq!(pass(0, 0, 7), pass(0, 0, 7));
        for other in [pass(1, 0, 7), pass(0, 1, 7), pass(0, 0, 8)] {
            assert_ne!(other, pass(0, 0, 7));
        }
        let across: Vec<usize> = (0..5).flat_map(|step| batch(step, 5, 12, 0, Some(7))).collect();
        assert_eq!(across[..12], pass(0, 0, 7)[..], "batches run on over the end of a pass");
        assert_eq!(across[12..24], pass(1, 0, 7)[..]);
    }
}
