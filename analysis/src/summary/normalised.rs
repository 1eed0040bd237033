use jobs::{Interval, TaskScore};
use std::collections::BTreeMap;

/// The two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// What the tasks' own adapters reach on one split.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Accuracies, given or measured.
    pub(crate) accuracies: BTreeMap<String, f64>,
    /// The numbers of examples of the measured ones.
    pub(crate) examples: BTreeMap<String, u64>,
}

/// The 95 % interval of the mean normalised accuracy: what the finite numbers of examples leave open.
///
/// With accuracy `a` on `n` examples and own accuracy `o` on `m` examples, by the delta method, to first order,
///
/// ```text
/// var(a / o) = (a(1 − a)/n + (a/o)² · o(1 − o)/m) / o²
/// mean ± 1.96 · √(Σ var(aᵢ / oᵢ)) / T
/// ```
///
/// over `T` tasks, cut at 0. Both accuracies are taken as independent binomial shares. They are measured on the same
/// examples and mostly go up and down together, so that the interval is rather too wide. A given `o` is exact.
///
/// `None` if a task has no own accuracy above 0, or there is no task.
pub(crate) fn normalised_interval(scores: &[TaskScore], own: &Own) -> Option<Interval> {
    let mut sum = 0.0;
    let mut variance = 0.0;
    for score in scores {
        let a = score.accuracy();
        let o = own.accuracies.get(&score.task).copied().filter(|own| *own > 0.0)?;
        let own_variance = own.examples.get(&score.task).map_or(0.0, |m| binomial(o, *m));
        sum += a / o;
        variance += (binomial(a, score.n) + (a / o).powi(2) * own_variance) / o.powi(2);
    }
    let tasks = scores.len() as f64;
    let mean = sum / tasks;
    let half = Z95 * variance.sqrt() / tasks;
    (!scores.is_empty()).then(|| Interval { low: (mean - half).max(0.0), high: mean + half })
}

/// The variance of a share of `n`.
fn binomial(share: f64, n: u64) -> f64 {
    share * (1.0 - share) / n.max(1) as f64
}
