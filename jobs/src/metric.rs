use crate::{TaskScore, joint_hits, mean_accuracy, score::mean};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, collections::BTreeMap, fmt, str::FromStr};

/// The number that a sweep searches by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What is measured.
    pub metric: Metric,
    /// Which way is better.
    pub goal: Goal,
}

/// Which way of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// More is better.
    Maximize,
    /// Less is better.
    Minimize,
}

impl Objective {
    /// How `one` compares with `other`: `Greater` means better.
    pub fn compare(&self, one: f64, other: f64) -> Ordering {
        match self.goal {
            Goal::Maximize => one.total_cmp(&other),
            Goal::Minimize => other.total_cmp(&one),
        }
    }
}

/// A number computed from the scores of one model, in [0, 1] except where it is normalised.
///
/// Written as `mean_normalised_accuracy`, `mean_accuracy`, `worst_normalised_accuracy`, `worst_accuracy`, `joint_hits@3`,
/// `accuracy:mnist`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Metric {
    /// The mean over tasks of accuracy over the accuracy of the task's own adapter.
    MeanNormalisedAccuracy,
    /// The mean over tasks of accuracy.
    MeanAccuracy,
    /// The least, over tasks, of accuracy over the accuracy of the task's own adapter.
    WorstNormalisedAccuracy,
    /// The accuracy of the task with the least accuracy.
    WorstAccuracy,
    /// The share of all examples whose true class is among the first k of the joint labels.
    JointHits(u32),
    /// The accuracy on one task.
    Accuracy(String),
}

/// A text that names no metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a metric; use `mean_normalised_accuracy`, `mean_accuracy`, `worst_normalised_accuracy`, `worst_accuracy`, \
     `joint_hits@K` with K one of 1, 3, 5, 10, or `accuracy:TASK`"
)]
pub struct MetricError(String);

impl Metric {
    /// The metric's value, or `None` if the scores do not hold it.
    ///
    /// `denominators` are the accuracies of the tasks' own adapters on the same split; a task without one, or with
    /// 0, leaves the normalised mean undefined.
    pub fn value(&self, scores: &[TaskScore], denominators: &BTreeMap<String, f64>) -> Option<f64> {
        match self {
            Self::MeanNormalisedAccuracy => all_normalised(scores, denominators).map(mean),
            Self::MeanAccuracy => (!scores.is_empty()).then(|| mean_accuracy(scores)),
            Self::WorstNormalisedAccuracy => least(all_normalised(scores, denominators)?),
            Self::WorstAccuracy => least(scores.iter().map(TaskScore::accuracy)),
            Self::JointHits(k) => joint_hits(scores, *k),
            Self::Accuracy(task) => scores.iter().find(|score| score.task == *task).map(TaskScore::accuracy),
        }
    }
}

impl Metric {
    /// Whether the metric needs the accuracy of each task's own adapter.
    pub fn is_normalised(&self) -> bool {
        match self {
            Self::MeanNormalisedAccuracy | Self::WorstNormalisedAccuracy => true,
            Self::MeanAccuracy | Self::WorstAccuracy | Self::JointHits(_) | Self::Accuracy(_) => false,
        }
    }

    /// Whether the metric is a weighted sum of the tasks' accuracies, with weights that do not depend on the model.
    pub fn is_linear(&self) -> bool {
        match self {
            Self::MeanNormalisedAccuracy | Self::MeanAccuracy | Self::JointHits(_) | Self::Accuracy(_) => true,
            Self::WorstNormalisedAccuracy | Self::WorstAccuracy => false,
        }
    }
}

/// The normalised accuracies of all tasks; `None` if there is no task, or one is without a usable denominator.
fn all_normalised(scores: &[TaskScore], denominators: &BTreeMap<String, f64>) -> Option<Vec<f64>> {
    let all = scores.iter().map(|score| normalised(score, denominators)).collect::<Option<Vec<_>>>();
    all.filter(|all| !all.is_empty())
}

fn least(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    values.into_iter().min_by(f64::total_cmp)
}

/// The accuracy over that of the task's own adapter; `None` without a usable denominator.
pub fn normalised(score: &TaskScore, denominators: &BTreeMap<String, f64>) -> Option<f64> {
    denominators.get(&score.task).filter(|own| **own > 0.0).map(|own| score.accuracy() / own)
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MeanNormalisedAccuracy => f.write_str("mean_normalised_accuracy"),
            Self::MeanAccuracy => f.write_str("mean_accuracy"),
            Self::WorstNormalisedAccuracy => f.write_str("worst_normalised_accuracy"),
            Self::WorstAccuracy => f.write_str("worst_accuracy"),
            Self::JointHits(k) => write!(f, "joint_hits@{k}"),
            Self::Accuracy(task) => write!(f, "accuracy:{task}"),
        }
    }
}

impl FromStr for Metric {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Self, MetricError> {
        let unknown = || MetricError(text.to_owned());
        if let Some(k) = text.strip_prefix("joint_hits@") {
            let k = k.parse().ok().filter(|k| crate::HITS_AT.contains(k));
            return k.map(Self::JointHits).ok_or_else(unknown);
        }
        match (text, text.strip_prefix("accuracy:")) {
            ("mean_normalised_accuracy", _) => Ok(Self::MeanNormalisedAccuracy),
            ("mean_accuracy", _) => Ok(Self::MeanAccuracy),
            ("worst_normalised_accuracy", _) => Ok(Self::WorstNormalisedAccuracy),
            ("worst_accuracy", _) => Ok(Self::WorstAccuracy),
            (_, Some(task)) if !task.is_empty() => Ok(Self::Accuracy(task.to_owned())),
            _ => Err(unknown()),
        }
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = MetricError;

    fn try_from(text: String) -> Result<Self, MetricError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(task: &str, correct: u64) -> TaskScore {
        TaskScore {
            task: task.to_owned(),
            n: 100,
            correct,
            hits: BTreeMap::from([(3, 90)]),
            right: None,
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        }
    }

    #[test]
    fn the_normalised_mean_needs_every_denominator() {
        let scores = [score("a", 40), score("b", 60)];
        let denominators = BTreeMap::from([("a".to_owned(), 0.8), ("b".to_owned(), 0.6)]);
        let value = Metric::MeanNormalisedAccuracy.value(&scores, &denominators).unwrap();
        assert!((value - 0.75).abs() < 1e-12);
        assert_eq!(Metric::MeanNormalisedAccuracy.value(&scores, &BTreeMap::new()), None);
    }

    #[test]
    fn the_worst_task_differs_by_whether_it_is_normalised() {
        let scores = [score("a", 40), score("b", 50)];
        let denominators = BTreeMap::from([("a".to_owned(), 0.5), ("b".to_owned(), 0.8)]);
        assert_eq!(Metric::WorstAccuracy.value(&scores, &denominators), Some(0.4));
        assert_eq!(Metric::WorstNormalisedAccuracy.value(&scores, &denominators), Some(0.5 / 0.8));
        let only_one = BTreeMap::from([("a".to_owned(), 0.5)]);
        assert_eq!(Metric::WorstNormalisedAccuracy.value(&scores, &only_one), None);
        assert_eq!(Metric::WorstAccuracy.value(&[], &denominators), None);
    }

    #[test]
    fn names_read_back() {
        for name in [
            "mean_normalised_accuracy",
            "mean_accuracy",
            "worst_normalised_accuracy",
            "worst_accuracy",
            "joint_hits@3",
            "accuracy:mnist",
        ] {
            assert_eq!(name.parse::<Metric>().unwrap().to_string(), name);
        }
        for name in ["accuracy", "accuracy:", "joint_hits@4", "joint_hits"] {
            assert!(name.parse::<Metric>().is_err(), "{name}");
        }
    }

    #[test]
    fn less_is_better_when_minimizing() {
        let objective = Objective { metric: Metric::MeanAccuracy, goal: Goal::Minimize };
        assert_eq!(objective.compare(0.1, 0.2), Ordering::Greater);
    }
}
