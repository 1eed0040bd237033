use super::PairedTask;

/// McNemar's test: do two recipes get the same share of the same examples right?
///
/// Only examples that one of them gets right and the other wrong count. If both are equally good, each of these `n = b
/// + c` falls to either side with probability ½, so that `X = min(b, c)` comes from a binomial distribution:
///
/// ```text
/// exact = min(1, 2 · P(X ≤ min(b, c)))
/// mid-p = 2 · P(X ≤ min(b, c)) − P(X = min(b, c))
/// ```
///
/// # Numerics
/// Both are summed exactly, in logarithms, whatever `n`: no normal approximation takes over, and no correction for
/// continuity is needed. O(min(b, c)); seven digits hold at a million differing examples. Where `b = c`, both are 1.
///
/// # Source
/// Q. McNemar, Psychometrika 12 (1947). M. W. Fagerland, S. Lydersen, P. Laake, BMC Medical Research Methodology 13:91
/// (2013), which recommends the mid-p test: the exact one keeps its level, but is so careful that it misses
/// differences.
///
/// # Examples
/// ```
/// let test = analysis::McNemar::new(1, 5);
/// // 2 · (1 + 6) / 64, and the same less 6 / 64.
/// assert!((test.exact - 0.21875).abs() < 1e-12 && (test.mid_p - 0.125).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct McNemar {
    /// Examples that only the first gets right.
    pub only_first: u64,
    /// Examples that only the second gets right.
    pub only_second: u64,
    /// The two-sided p-value of the exact conditional test: never too small, mostly too large.
    pub exact: f64,
    /// The two-sided mid-p value: the one to decide by.
    pub mid_p: f64,
}

impl McNemar {
    /// The test on the numbers of differing examples.
    pub fn new(only_first: u64, only_second: u64) -> Self {
        if only_first == only_second {
            // Both sums are 1 then, but for rounding.
            return Self { only_first, only_second, exact: 1.0, mid_p: 1.0 };
        }
        let fewer = only_first.min(only_second);
        let all = only_first + only_second;
        let at = at_half(fewer, all);
        let mut below = 0.0;
        let mut term = at;
        for k in (1..=fewer).rev() {
            term *= k as f64 / (all - k + 1) as f64;
            below += term;
        }
        let up_to = below + at;
        Self { only_first, only_second, exact: (2.0 * up_to).min(1.0), mid_p: (2.0 * below + at).min(1.0) }
    }

    /// The test on the examples of all tasks together, each of them counting the same.
    pub fn of(tasks: &[PairedTask]) -> Self {
        let sum = |count: fn(&PairedTask) -> u64| tasks.iter().map(count).sum();
        Self::new(sum(|task| task.only_first), sum(|task| task.only_second))
    }
}

/// The probability of `k` heads among `n` tosses of a fair coin.
pub(super) fn at_half(k: u64, n: u64) -> f64 {
    let choices: f64 = (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum();
    (choices - n as f64 * std::f64::consts::LN_2).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `exact` by statsmodels 0.14 (`mcnemar(…, exact=True)`), `mid_p` the same less `scipy.stats.binom.pmf`.
    const REFERENCE: [(u64, u64, f64, f64); 6] = [
        (1, 5, 0.218_75, 0.125),
        (10, 4, 0.179_565_429_687_5, 0.118_469_238_281_25),
        (30, 12, 0.007_915_897_334_896_727, 0.005_401_572_654_591_29),
        (0, 3, 0.25, 0.125),
        (250, 310, 0.012_590_475_149_380_293, 0.011_236_762_024_285_763),
        (1000, 1100, 0.030_720_707_864_242_49, 0.029_110_633_685_909_233),
    ];

    #[test]
    fn p_values_are_those_of_scipy_and_statsmodels() {
        for (first, second, exact, mid_p) in REFERENCE {
            for test in [McNemar::new(first, second), McNemar::new(second, first)] {
                assert!((test.exact - exact).abs() <= 1e-11 * exact.max(1e-3), "{test:?}");
                assert!((test.mid_p - mid_p).abs() <= 1e-11 * mid_p.max(1e-3), "{test:?}");
            }
        }
    }

    #[test]
    fn what_differs_as_often_either_way_is_no_difference() {
        for count in [0, 7, 50_000] {
            let test = McNemar::new(count, count);
            assert!((test.exact - 1.0).abs() < 1e-12 && (test.mid_p - 1.0).abs() < 1e-12, "{test:?}");
            assert!(McNemar::new(count, count + 1).exact > 0.99, "nor is one more");
        }
    }

    #[test]
    fn many_examples_neither_overflow_nor_vanish() {
        let test = McNemar::new(1_000_000, 1_000_000 - 3000);
        // As above by scipy.
        assert!((test.mid_p - 0.033_761_150_84).abs() < 1e-8, "{test:?}");
    }
}
