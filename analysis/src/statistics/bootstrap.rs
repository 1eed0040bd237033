use super::{WeightedTask, draw::Draw};
use jobs::{Bitmap, Interval};

/// Two recipes on the same examples of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairedTask {
    /// All examples.
    pub n: u64,
    /// Examples that only the first gets right.
    pub only_first: u64,
    /// Examples that only the second gets right.
    pub only_second: u64,
}

impl PairedTask {
    /// What the two differ in; `None` if they are not of the same number of examples, or of none.
    pub fn new(first: &Bitmap, second: &Bitmap) -> Option<Self> {
        let is_paired = first.len() == second.len() && !first.is_empty();
        is_paired.then(|| Self {
            n: first.len() as u64,
            only_first: first.count_without(second),
            only_second: second.count_without(first),
        })
    }

    /// The accuracy of the first less that of the second.
    pub fn difference(&self) -> f64 {
        (self.only_first as f64 - self.only_second as f64) / self.n as f64
    }
}

/// How often examples are drawn anew, and by which seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How often.
    pub resamples: u32,
    /// The seed: the same one gives the same interval.
    pub seed: u64,
}

impl Default for Bootstrap {
    /// 10 000 times, by seed 0.
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0 }
    }
}

/// A difference of a metric between two recipes: the first less the second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference: of a mean of accuracies, in [−1, 1].
    pub value: f64,
    /// Its 95 % interval; both ends may lie below 0.
    pub interval: Interval,
}

impl Difference {
    /// Whether the examples do not decide which is better: 0 lies in the interval.
    pub fn is_tie(&self) -> bool {
        self.interval.low <= 0.0 && self.interval.high >= 0.0
    }
}

impl Bootstrap {
    /// The difference of the weighted sum of accuracies over `tasks`, with its interval by the paired bootstrap; `None`
    /// without a task.
    ///
    /// With `dᵢⱼ` in {−1, 0, 1} for example `j` of task `i`, as only the second, both or none, or only the first is
    /// right, the statistic is `Σᵢ wᵢ · mean over j of dᵢⱼ`. Every resample draws as many examples of each task
    /// as it has, with replacement; the interval reaches from the 2.5 % to the 97.5 % quantile of the resampled
    /// statistics (between two of them linearly, as numpy does). It tells what the finite number of examples leaves
    /// open, not what another choice of tasks would.
    ///
    /// # Numerics
    /// Deterministic by the seed. O(resamples · tasks): milliseconds, whatever the number of examples.
    ///
    /// # Source
    /// B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; pairs are kept, tasks are
    /// strata.
    pub fn difference(&self, tasks: &[WeightedTask]) -> Option<Difference> {
        let value = tasks.iter().map(|task| task.weight * task.pair.difference()).sum();
        let mut drawn: Vec<f64> = (0..self.resamples.max(1)).map(|_| 0.0).collect();
        for (place, task) in (0..).zip(tasks) {
            let mut draw = Draw::new(self.seed, place);
            for sum in &mut drawn {
                *sum += task.weight * resampled(&task.pair, &mut draw);
            }
        }
        drawn.sort_unstable_by(f64::total_cmp);
        let interval = Interval { low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) };
        (!tasks.is_empty()).then_some(Difference { value, interval })
    }
}

/// The difference on as many examples as the task has, drawn with replacement.
///
/// Which examples are drawn does not matter, only how many of each side: the first ones are binomial, and so are the
/// second ones among the rest.
fn resampled(task: &PairedTask, draw: &mut Draw) -> f64 {
    let first = draw.successes(task.n, share(task.only_first, task.n));
    let second = draw.successes(task.n - first, share(task.only_second, task.n - task.only_first));
    (first as f64 - second as f64) / task.n as f64
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The `share` quantile of ascending numbers, of which there is at least one.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let below = ascending[place.floor() as usize];
    let above = ascending[place.ceil() as usize];
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(tasks: &[(u64, u64, u64)]) -> Difference {
        let task = |&(n, only_first, only_second): &(u64, u64, u64)| PairedTask { n, only_first, only_second };
        let pairs: Vec<PairedTask> = tasks.iter().map(task).collect();
        Bootstrap { resamples: 20_000, seed: 1 }.difference(&WeightedTask::of_mean(&pairs)).unwrap()
    }

    #[test]
    fn intervals_are_those_of_scipy_but_for_chance() {
        // `scipy.stats.bootstrap(…, method="percentile", n_resamples=100000)`.
        let one = interval(&[(100, 12, 5)]);
        assert!((one.value - 0.07).abs() < 1e-12);
        assert!((one.interval.low + 0.01).abs() < 1e-9 && (one.interval.high - 0.15).abs() < 1e-9, "{one:?}");
        assert!(one.is_tie());
        // The mean of 20 runs of the same by numpy; their standard deviation is 0.0002.
        let three = interval(&[(1000, 90, 40), (400, 30, 28), (200, 25, 10)]);
        assert!((three.value - 0.13 / 3.0).abs() < 1e-12, "{three:?}");
        assert!((three.interval.low - 0.019_49).abs() < 1e-3, "{three:?}");
        assert!((three.interval.high - 0.067_35).abs() < 1e-3, "{three:?}");
        assert!(!three.is_tie());
    }

    #[test]
    fn the_same_seed_gives_the_same_interval_and_another_seed_another() {
        let tasks = WeightedTask::of_mean(&[PairedTask { n: 777, only_first: 100, only_second: 91 }]);
        let by = |seed| Bootstrap { resamples: 500, seed }.difference(&tasks).unwrap();
        assert_eq!(by(1), by(1));
        assert_ne!(by(1), by(2));
    }

    #[test]
    fn recipes_that_never_differ_are_a_tie() {
        let same = interval(&[(100, 0, 0), (50, 0, 0)]);
        assert_eq!((same.value, same.interval, same.is_tie()), (0.0, Interval { low: 0.0, high: 0.0 }, true));
        assert_eq!(Bootstrap::default().difference(&[]), None);
    }

    #[test]
    fn examples_are_paired_by_their_place() {
        let first: Bitmap = [true, true, false, true, false].into_iter().collect();
        let second: Bitmap = [true, false, true, false, false].into_iter().collect();
        let paired = PairedTask::new(&first, &second).unwrap();
        assert_eq!(paired, PairedTask { n: 5, only_first: 2, only_second: 1 });
        assert!((paired.difference() - 0.2).abs() < 1e-12);
        assert_eq!(PairedTask::new(&first, &[true].into_iter().collect()), None);
        assert_eq!(PairedTask::new(&Bitmap::default(), &Bitmap::default()), None);
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        let ascending = [0.1, 0.2, 0.4, 0.5, 0.9];
        let found = [0.025, 0.5, 0.975].map(|share| quantile(&ascending, share));
        assert!(found.iter().zip([0.11, 0.4, 0.86]).all(|(found, expected)| (found - expected).abs() < 1e-12));
        assert!((quantile(&[0.3], 0.975) - 0.3).abs() < 1e-12);
    }
}
