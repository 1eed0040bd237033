use crate::{PairedTask, WeightedTask};
use jobs::Metric;
use std::collections::BTreeMap;

/// How much a difference of accuracy on a task counts in the metric by which two models are compared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Weighting {
    /// In a mean of accuracies, every task counts the same.
    Mean,
    /// In a mean of normalised accuracies, a task counts by one over the accuracy of its own adapter.
    Normalised(BTreeMap<String, f64>),
    /// One task alone counts.
    Task(String),
}

impl Weighting {
    /// The weights in `metric`, with the accuracies of the tasks' `own` adapters on the split.
    ///
    /// Hits of the joint benchmark are compared by accuracies: results record the examples whose first label is right. Where the
    /// metric is the worst task, models are compared by the mean: which task is the worst differs between models.
    pub(crate) fn by(metric: &Metric, own: &BTreeMap<String, f64>) -> Self {
        match metric {
            Metric::MeanNormalisedAccuracy | Metric::WorstNormalisedAccuracy => Self::Normalised(own.clone()),
            Metric::MeanAccuracy | Metric::WorstAccuracy | Metric::JointHits(_) => Self::Mean,
            Metric::Accuracy(task) => Self::Task(task.clone()),
        }
    }

    /// The tasks that count, with their weights. A mean is over the tasks that there are. Without the accuracy of each task's
    /// own adapter there is no normalised accuracy, and no task.
    pub(super) fn of(&self, tasks: &[(String, PairedTask)]) -> Vec<WeightedTask> {
        let count = tasks.len() as f64;
        let counting = tasks.iter().filter(|(task, _)| !matches!(self, Self::Task(only) if only != task));
        let weighted = |(task, pair): &(String, PairedTask)| {
            let weight = match self {
                Self::Mean => 1.0 / count,
                Self::Normalised(own) => 1.0 / (count * own.get(task).filter(|own| **own > 0.0)?),
                Self::Task(_) => 1.0,
            };
            Some(WeightedTask { pair: *pair, weight })
        };
        counting.map(weighted).collect::<Option<_>>().unwrap_or_default()
    }

    /// What is compared, in words.
    pub(super) fn metric(&self) -> String {
        match self {
            Self::Mean => "the mean accuracy".to_owned(),
            Self::Normalised(_) => "the mean normalised accuracy".to_owned(),
            Self::Task(task) => format!("the accuracy on {task}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weighted_difference_is_that_of_the_metric() {
        let pair = |n, only_first, only_second| PairedTask { n, only_first, only_second };
        let tasks = [("a".to_owned(), pair(100, 10, 0)), ("b".to_owned(), pair(50, 0, 10))];
        let difference = |weighting: Weighting| -> f64 {
            weighting.of(&tasks).iter().map(|task| task.weight * task.pair.difference()).sum()
        };
        let own = BTreeMap::from([("a".to_owned(), 0.5), ("b".to_owned(), 0.8)]);
        let by = |metric: &str| Weighting::by(&metric.parse().unwrap(), &own);
        assert!((difference(by("mean_accuracy")) - (0.1 - 0.2) / 2.0).abs() < 1e-12);
        assert!((difference(by("mean_normalised_accuracy")) - (0.1 / 0.5 - 0.2 / 0.8) / 2.0).abs() < 1e-12);
        assert!((difference(by("accuracy:b")) + 0.2).abs() < 1e-12);
        assert!(
            by("mean_normalised_accuracy").of(&[("c".to_owned(), pair(5, 1, 0))]).is_empty(),
            "its own is not known"
        );
        assert_eq!(by("accuracy:b").of(&tasks).len(), 1, "examples of other tasks are not counted");
        assert!(by("accuracy:c").of(&tasks).is_empty(), "there is nothing to compare");
    }
}
