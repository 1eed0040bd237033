use serde::{Deserialize, Serialize};

/// Subsets of the tasks for which the chosen recipes are merged and scored once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subsets {
    /// The numbers of tasks, each from 1 to the number of tasks of the sweep, and each once.
    pub sizes: Vec<u64>,
    /// The most subsets of one size. If there are no more than that, all of them are taken.
    pub samples: u32,
    /// Chooses the subsets where they are drawn.
    pub seed: u64,
}

impl Subsets {
    /// The most samples of one size that a sweep file may ask for.
    pub const MOST_SAMPLES: u32 = 10_000;

    /// Whether all subsets of `size` out of `tasks` are taken.
    pub fn takes_all(&self, tasks: u64, size: u64) -> bool {
        combinations(tasks, size) <= self.samples.into()
    }

    /// The number of subsets of `size` out of `tasks` that are taken.
    pub fn count(&self, tasks: u64, size: u64) -> u64 {
        combinations(tasks, size).min(self.samples.into())
    }
}

/// The number of subsets with `size` out of `n` items; `u64::MAX` where it does not fit.
fn combinations(n: u64, size: u64) -> u64 {
    if size > n {
        return 0;
    }
    let mut count: u128 = 1;
    for step in 1..=size.min(n - size) {
        // The product of the first `step` factors is divisible by `step`!.
        count = count * u128::from(n - step + 1) / u128::from(step);
        if count > u128::from(u64::MAX) {
            return u64::MAX;
        }
    }
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_subsets_are_taken_where_they_are_few_and_else_as_many_as_samples() {
        let subsets = Subsets { sizes: Vec::new(), samples: 28, seed: 1 };
        let counts: Vec<u64> = (0..=9).map(|size| subsets.count(8, size)).collect();
        assert_eq!(counts, [1, 8, 28, 28, 28, 28, 28, 8, 1, 0]);
        assert!(subsets.takes_all(8, 6) && !subsets.takes_all(8, 5));
        assert_eq!(combinations(8, 4), 70);
        assert_eq!(combinations(1000, 500), u64::MAX);
    }
}
