use super::{McNemar, PairedTask, mcnemar::at_half};
use std::f64::consts::{LN_2, PI};

/// A task of a comparison, and its weight in the metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedTask {
    /// The examples of the task.
    pub pair: PairedTask,
    /// What a difference of accuracy on this task counts in the metric: `1 / T` in a mean over `T` tasks.
    pub weight: f64,
}

impl WeightedTask {
    /// The tasks of a mean of accuracies: each has the same weight.
    pub fn of_mean(pairs: &[PairedTask]) -> Vec<Self> {
        pairs.iter().map(|pair| Self { pair: *pair, weight: 1.0 / pairs.len() as f64 }).collect()
    }

    /// The difference of the metric that one example makes.
    fn step(&self) -> f64 {
        self.weight / self.pair.n as f64
    }
}

/// The largest number of different outcomes of which the distribution is enumerated.
const ENUMERATED: u64 = 1 << 20;

/// The two-sided mid-p value of a weighted sum of paired differences, with tasks as strata.
///
/// The statistic is the difference of the metric, `S = Σ_t w_t (b_t − c_t) / n_t`: `b_t` of the `n_t` examples of task `t`
/// are right in the first recipe alone, `c_t` in the second alone. If both recipes are equally good on every task, each of
/// the `d_t = b_t + c_t` examples falls to either side with probability ½. Given the `d_t`,
///
/// ```text
/// S = Σ_t (w_t / n_t) (2 X_t − d_t),  X_t ~ Bin(d_t, ½) independent
/// p = P(|S| > |s|) + ½ P(|S| = |s|)
/// ```
///
/// A test on all examples together (McNemar's) weighs tasks by their numbers of examples. It may find the other recipe
/// better than the metric does, which weighs tasks alike. With one task, both are the same test.
///
/// # Numerics
/// Exact where all examples weigh the same, or where `Π (d_t + 1)` is at most 2²⁰; otherwise the saddlepoint approximation of
/// Lugannani and Rice, whose relative error was below 2 % in comparisons with enumerations of that size.
///
/// # Source
/// M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical Research Methodology 13:91 (2013), for the mid-p value of one
/// stratum. R. Lugannani, S. Rice, Advances in Applied Probability 12:475 (1980).
pub fn stratified_mid_p(tasks: &[WeightedTask]) -> f64 {
    let counting = |task: &&WeightedTask| task.pair.only_first + task.pair.only_second > 0 && task.weight > 0.0;
    let strata: Vec<Stratum> = tasks.iter().filter(counting).map(Stratum::of).collect();
    let observed = strata.iter().map(|stratum| stratum.step * stratum.surplus).sum::<f64>().abs();
    let reach: f64 = strata.iter().map(|stratum| stratum.step * stratum.differing as f64).sum();
    // Sums of the same parts in another order differ by rounding.
    let rounding = reach * 1e-10;
    if observed <= rounding {
        return 1.0;
    }
    if let [first, others @ ..] = &strata[..]
        && others.iter().all(|other| (other.step / first.step - 1.0).abs() < 1e-12)
    {
        let sum = |count: fn(&PairedTask) -> u64| tasks.iter().filter(counting).map(|task| count(&task.pair)).sum();
        return McNemar::new(sum(|pair| pair.only_first), sum(|pair| pair.only_second)).mid_p;
    }
    let outcomes = strata.iter().try_fold(1_u64, |product, stratum| product.checked_mul(stratum.differing + 1));
    if outcomes.is_some_and(|outcomes| outcomes <= ENUMERATED) {
        return enumerated(&strata, observed, rounding);
    }
    if observed >= reach - rounding {
        // One outcome, of which half counts, on either side.
        let all: u64 = strata.iter().map(|stratum| stratum.differing).sum();
        return (-(all as f64) * LN_2).exp();
    }
    (2.0 * saddlepoint_tail(&strata, observed)).min(1.0)
}

/// The differing examples of one task.
struct Stratum {
    /// How many there are.
    differing: u64,
    /// How many more are right in the first alone than in the second alone.
    surplus: f64,
    /// What one of them adds to the statistic.
    step: f64,
}

impl Stratum {
    fn of(task: &WeightedTask) -> Self {
        let PairedTask { only_first, only_second, .. } = task.pair;
        Self { differing: only_first + only_second, surplus: only_first as f64 - only_second as f64, step: task.step() }
    }
}

fn enumerated(strata: &[Stratum], observed: f64, rounding: f64) -> f64 {
    let mut sums = vec![(0.0, 1.0)];
    for Stratum { differing, step, .. } in strata {
        let outcomes: Vec<(f64, f64)> = (0..=*differing)
            .map(|first| (step * (2.0 * first as f64 - *differing as f64), at_half(first, *differing)))
            .collect();
        let with_all = |(sum, share): &(f64, f64)| {
            let sum = *sum;
            let share = *share;
            outcomes.iter().map(move |(more, part)| (sum + more, share * part)).collect::<Vec<_>>()
        };
        sums = sums.iter().flat_map(with_all).collect();
    }
    let beyond = |(sum, share): &(f64, f64)| {
        if sum.abs() > observed + rounding {
            *share
        } else if sum.abs() >= observed - rounding {
            0.5 * share
        } else {
            0.0
        }
    };
    sums.iter().map(beyond).sum::<f64>().min(1.0)
}

/// `P(S > observed) + ½ P(S = observed)` by the saddlepoint of the cumulant generating function `Σ d ln cosh(a θ)`, for an
/// observed sum between 0 and the largest possible one.
fn saddlepoint_tail(strata: &[Stratum], observed: f64) -> f64 {
    let slope = |at: f64| {
        strata.iter().map(|stratum| stratum.differing as f64 * stratum.step * (stratum.step * at).tanh()).sum::<f64>()
    };
    let curvature = |at: f64| {
        let part = |stratum: &Stratum| stratum.differing as f64 * (stratum.step / (stratum.step * at).cosh()).powi(2);
        strata.iter().map(part).sum::<f64>()
    };
    let spread = curvature(0.0).sqrt();
    // Between two points where the slope, which grows, is below and above.
    let mut low = 0.0;
    let mut high = observed / spread.powi(2);
    while slope(high) < observed {
        low = high;
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if slope(middle) < observed {
            low = middle;
        } else {
            high = middle;
        }
    }
    let at = 0.5 * (low + high);
    let cumulant: f64 = strata.iter().map(|stratum| stratum.differing as f64 * ln_cosh(stratum.step * at)).sum();
    let w = (2.0 * (at * observed - cumulant)).max(0.0).sqrt();
    let u = at * curvature(at).sqrt();
    if w < 1e-2 {
        // Both terms of the correction are infinite at 0, where the distribution is symmetric, and their difference is noise
        // close to it.
        return upper_normal(observed / spread);
    }
    let density = (-0.5 * w * w).exp() / (2.0 * PI).sqrt();
    (upper_normal(w) + density * (1.0 / u - 1.0 / w)).clamp(0.0, 1.0)
}

/// `ln cosh x` without overflow, and without cancellation near 0.
fn ln_cosh(x: f64) -> f64 {
    if x.abs() < 1.0 {
        return (2.0 * (x / 2.0).sinh().powi(2)).ln_1p();
    }
    x.abs() + (-2.0 * x.abs()).exp().ln_1p() - LN_2
}

/// The probability that a normal variable is above `x`.
fn upper_normal(x: f64) -> f64 {
    0.5 * libm::erfc(x / std::f64::consts::SQRT_2)
}

/// The p-values of a family of comparisons with Holm's correction, in the same order: the probability of one wrong
/// rejection in the family stays below the level.
///
/// # Source
/// S. Holm, Scandinavian Journal of Statistics 6:65 (1979).
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut corrected = vec![1.0; values.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max((values.len() - rank) as f64 * values[place]).min(1.0);
        corrected[place] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(n: u64, only_first: u64, only_second: u64) -> PairedTask {
        PairedTask { n, only_first, only_second }
    }

    fn close(one: f64, other: f64, relative: f64) -> bool {
        (one - other).abs() <= relative * other.abs()
    }

    #[test]
    fn one_task_or_equal_tasks_are_mcnemars_test() {
        for (first, second) in [(1, 5), (250, 310), (0, 3), (7, 7)] {
            let one = WeightedTask::of_mean(&[task(1000, first, second)]);
            assert!(close(stratified_mid_p(&one), McNemar::new(first, second).mid_p, 1e-12));
            let two = WeightedTask::of_mean(&[task(1000, first, 2), task(1000, 1, second)]);
            assert!(close(stratified_mid_p(&two), McNemar::new(first + 1, second + 2).mid_p, 1e-12));
        }
    }

    #[test]
    fn a_small_case_is_what_one_counts_by_hand() {
        // Steps of 1 and 3 (times 1/60): S = ±1 ± 3 with probability ¼ each. Observed 1 + 3: half of ¼, on both sides.
        let tasks = WeightedTask::of_mean(&[task(30, 1, 0), task(10, 1, 0)]);
        assert!(close(stratified_mid_p(&tasks), 0.25, 1e-12));
        // Observed 3 − 1 = 2: 4 and −4 in full, 2 and −2 in half.
        let tasks = WeightedTask::of_mean(&[task(30, 0, 1), task(10, 1, 0)]);
        assert!(close(stratified_mid_p(&tasks), 0.75, 1e-12));
    }

    #[test]
    fn a_large_task_does_not_outvote_small_ones_with_the_same_weight() {
        // All examples together favour the second (40 against 60), the metric the first.
        let pairs = [task(10_000, 10, 60), task(100, 15, 0), task(100, 15, 0)];
        let tasks = WeightedTask::of_mean(&pairs);
        assert!(McNemar::of(&pairs).only_first < McNemar::of(&pairs).only_second);
        assert!(pairs.iter().map(PairedTask::difference).sum::<f64>() > 0.0);
        assert!(stratified_mid_p(&tasks) < 0.001, "{}", stratified_mid_p(&tasks));
    }

    #[test]
    fn the_saddlepoint_agrees_with_the_enumeration() {
        for (one, other, third) in
            [((40, 25), (30, 20), (12, 9)), ((60, 20), (50, 40), (9, 8)), ((33, 30), (30, 28), (20, 21))]
        {
            let pairs = [task(900, one.0, one.1), task(350, other.0, other.1), task(270, third.0, third.1)];
            let strata: Vec<Stratum> = WeightedTask::of_mean(&pairs).iter().map(Stratum::of).collect();
            let observed = strata.iter().map(|stratum| stratum.step * stratum.surplus).sum::<f64>().abs();
            let exact = enumerated(&strata, observed, 1e-12);
            let approximate = 2.0 * saddlepoint_tail(&strata, observed);
            assert!(close(approximate, exact, 0.02), "{approximate} and {exact}");
        }
    }

    #[test]
    fn many_examples_neither_overflow_nor_vanish() {
        let pairs = [task(2_000_000, 500_000, 502_000), task(1_000_000, 100_000, 100_300), task(300, 20, 31)];
        let p = stratified_mid_p(&WeightedTask::of_mean(&pairs));
        assert!(p > 0.0 && p < 1.0, "{p}");
        let sure = [task(3000, 900, 0), task(1000, 500, 0), task(100, 50, 0)];
        let p = stratified_mid_p(&WeightedTask::of_mean(&sure));
        assert!((0.0..1e-300).contains(&p), "{p}");
    }

    #[test]
    fn without_a_difference_nothing_is_found() {
        for pairs in [vec![], vec![task(10, 0, 0)], vec![task(10, 2, 1), task(20, 2, 4)]] {
            assert!(close(stratified_mid_p(&WeightedTask::of_mean(&pairs)), 1.0, 1e-12), "{pairs:?}");
        }
    }

    #[test]
    fn holm_corrects_as_p_adjust_of_r_does() {
        // p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.5), "holm") of R.
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (one, other) in corrected.iter().zip([0.04, 0.09, 0.09, 0.025, 0.5]) {
            assert!(close(*one, other, 1e-12), "{corrected:?}");
        }
        assert!(holm(&[]).is_empty());
    }

    /// Under the null, the share of p-values up to a level is about the level, whichever way it is computed.
    #[test]
    fn the_level_holds_where_both_are_equally_good() {
        let mut draw = super::super::draw::Draw::new(7, 0);
        let runs = 2000;
        let mut rejected = 0;
        for _ in 0..runs {
            let pairs = [(900, 60), (200, 40), (3000, 90)].map(|(n, differing)| {
                let first = draw.successes(differing, 0.5);
                task(n, first, differing - first)
            });
            rejected += u32::from(stratified_mid_p(&WeightedTask::of_mean(&pairs)) <= 0.05);
        }
        // Five standard deviations of a binomial share.
        let share = f64::from(rejected) / f64::from(runs);
        assert!((share - 0.05).abs() < 5.0 * (0.05 * 0.95 / f64::from(runs)).sqrt(), "{share}");
    }
}
