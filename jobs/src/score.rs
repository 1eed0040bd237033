mod fault;
mod stored;

pub use fault::TaskScoreError;

use crate::Bitmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The ranks that a joint benchmark counts hits at.
pub const HITS_AT: [u32; 4] = [1, 3, 5, 10];

/// How a model did on the images or texts of one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "stored::StoredScore")]
pub struct TaskScore {
    /// The task's name.
    pub task: String,
    /// The number of examples.
    pub n: u64,
    /// How many had the true class first; 0 where there is a [`mean`](Self::mean), which counts nothing.
    pub correct: u64,
    /// In a joint benchmark: how many had the true class among the first k, by k of [`HITS_AT`].
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hits: BTreeMap<u32, u64>,
    /// Which examples had the true class first, in the order of the data set: what two recipes are compared by. Results
    /// of older programs do not contain it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub right: Option<Bitmap>,
    /// How many texts were longer than they may be, and were cut. Of a slice this is not known, and 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub truncated: u64,
    /// In a slice of a joint benchmark: which examples had the true class among the first k, by k of [`HITS_AT`] above 1. For 1 it is
    /// `right`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub within: BTreeMap<u32, Bitmap>,
    /// Of a metric that is no count: the mean over the examples, each of which has a value in [0, 1]. Only a command of the user
    /// measures one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl TaskScore {
    /// The share of right answers, or the mean of another metric, in [0, 1].
    pub fn accuracy(&self) -> f64 {
        self.mean.unwrap_or_else(|| share(self.correct, self.n))
    }

    /// The number of right answers; `None` of a metric that is no count.
    pub fn right_answers(&self) -> Option<u64> {
        if self.mean.is_none() { Some(self.correct) } else { None }
    }

    /// Looks whether the numbers can be those of an evaluation: some examples, no more right answers than examples,
    /// hits that rise with the rank, and as many single examples as are counted.
    ///
    /// # Errors
    /// The first number that cannot be.
    pub fn check(&self) -> Result<(), TaskScoreError> {
        fault::check(self)
    }

    /// The 95 % interval of the accuracy.
    ///
    /// Values in [0, 1] with mean p have a variance of at most p(1 − p), that of right and wrong answers. So a mean has the interval
    /// of a share.
    pub fn interval(&self) -> Interval {
        Interval::wilson_of_share(self.accuracy(), self.n)
    }
}

/// The unweighted mean of the tasks' accuracies, in [0, 1].
pub fn mean_accuracy(scores: &[TaskScore]) -> f64 {
    mean(scores.iter().map(TaskScore::accuracy))
}

/// The 95 % interval of [`mean_accuracy`], from the tasks' binomial variances (normal approximation):
/// the uncertainty that the finite test sets cause, not that of the choice of tasks.
pub fn mean_interval(scores: &[TaskScore]) -> Interval {
    let variance = |score: &TaskScore| {
        let p = score.accuracy();
        p * (1.0 - p) / (score.n.max(1) as f64)
    };
    let error = scores.iter().map(variance).sum::<f64>().sqrt() / (scores.len().max(1) as f64);
    let mean = mean_accuracy(scores);
    Interval { low: (mean - Z95 * error).max(0.0), high: (mean + Z95 * error).min(1.0) }
}

/// The share of all examples whose true class is among the first `k`, micro-averaged over tasks;
/// `None` if the scores hold no hits at `k`.
pub fn joint_hits(scores: &[TaskScore], k: u32) -> Option<f64> {
    let hits = scores.iter().map(|score| score.hits.get(&k)).sum::<Option<u64>>()?;
    Some(share(hits, scores.iter().map(|score| score.n).sum()))
}

/// The two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// A 95 % interval of a share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// The lower end, in [0, 1].
    pub low: f64,
    /// The upper end, in [0, 1].
    pub high: f64,
}

impl Interval {
    /// Wilson's score interval for `correct` right answers out of `n`; [0, 1] when `n` is 0.
    ///
    /// # Source
    /// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.
    ///
    /// # Examples
    /// ```
    /// let interval = jobs::Interval::wilson(8, 10);
    /// assert!((interval.low - 0.4902).abs() < 1e-4 && (interval.high - 0.9433).abs() < 1e-4);
    /// ```
    pub fn wilson(correct: u64, n: u64) -> Self {
        Self::wilson_of_share(share(correct, n), n)
    }

    /// The same for a share `p` of `n`, which need not be a count over `n`.
    pub fn wilson_of_share(p: f64, n: u64) -> Self {
        if n == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let n = n as f64;
        let z2 = Z95 * Z95;
        let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        Self { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values.into_iter().fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(correct: u64, n: u64) -> TaskScore {
        TaskScore {
            task: "mnist".to_owned(),
            n,
            correct,
            hits: BTreeMap::from([(1, correct), (3, n)]),
            right: None,
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        }
    }

    #[test]
    fn the_mean_counts_tasks_and_hits_count_examples() {
        let scores = [score(1, 2), score(9, 10)];
        assert!((mean_accuracy(&scores) - 0.7).abs() < 1e-12);
        assert!((joint_hits(&scores, 1).unwrap() - 10.0 / 12.0).abs() < 1e-12);
        assert_eq!(joint_hits(&scores, 5), None);
    }

    #[test]
    fn intervals_stay_inside_the_unit_interval() {
        let none = Interval::wilson(0, 20);
        assert!(none.low.abs() < 1e-12 && (none.high - 0.1611).abs() < 1e-4, "{none:?}");
        let all = mean_interval(&[score(10, 10)]);
        assert!((all.low - 1.0).abs() < 1e-12 && (all.high - 1.0).abs() < 1e-12);
    }
}
