//! What the rows reach for subsets of the tasks.

use super::normalised::Own;
use crate::Results;
use jobs::{Interval, Metric, Outcome, Row, SubsetJob, TaskScore, mean_accuracy};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the recipe of a row reaches on the report split for subsets of the tasks with the same number of tasks, each merge
/// scored on the tasks of its subset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SubsetSize {
    /// The number of tasks of each subset.
    pub size: u64,
    /// The number of subsets with a value.
    pub subsets: u64,
    /// The number of subsets without a value.
    #[serde(skip_serializing_if = "super::is_zero")]
    pub missing: u64,
    /// The mean accuracy over the tasks of a subset.
    pub mean_accuracy: Option<Spread>,
    /// The mean normalised accuracy over the tasks of a subset.
    pub mean_normalised: Option<Spread>,
}

/// Some values in brief.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The mean ± 1.96·s/√n for the sample standard deviation s of n values; `None` for one value.
    ///
    /// It describes the values, and is no test: subsets overlap, so that the values are not independent.
    pub interval: Option<Interval>,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl SubsetSize {
    /// The values of the objective, if that is a mean over tasks, or else the mean accuracies.
    pub(crate) fn shown(&self, metric: &Metric) -> Option<Spread> {
        match metric {
            Metric::MeanNormalisedAccuracy | Metric::WorstNormalisedAccuracy => self.mean_normalised,
            Metric::MeanAccuracy | Metric::WorstAccuracy | Metric::JointHits(_) | Metric::Accuracy(_) => {
                self.mean_accuracy
            }
        }
    }
}

/// The metric that [`SubsetSize::shown`] shows for an objective.
pub(crate) fn shown_metric(objective: &Metric) -> Metric {
    match objective {
        Metric::MeanNormalisedAccuracy | Metric::WorstNormalisedAccuracy => Metric::MeanNormalisedAccuracy,
        Metric::MeanAccuracy | Metric::WorstAccuracy | Metric::JointHits(_) | Metric::Accuracy(_) => {
            Metric::MeanAccuracy
        }
    }
}

impl Spread {
    /// The spread of `values`; `None` if there is none.
    ///
    /// # Examples
    /// ```
    /// let spread = analysis::Spread::of(&[0.4, 0.6]).unwrap();
    /// assert_eq!((spread.mean, spread.min, spread.max), (0.5, 0.4, 0.6));
    /// // s = 0.1414, and 1.96 · s / √2 = 0.196.
    /// assert!((spread.interval.unwrap().high - 0.696).abs() < 1e-4);
    /// assert_eq!(analysis::Spread::of(&[0.4]).unwrap().interval, None);
    /// ```
    pub fn of(values: &[f64]) -> Option<Self> {
        let mean = mean_of(values)?;
        let half = sample_deviation(values).map(|deviation| Z95 * deviation / (values.len() as f64).sqrt());
        Some(Self {
            mean,
            interval: half.map(|half| Interval { low: mean - half, high: mean + half }),
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

/// The two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_963_984_540_054;

/// The mean; `None` for no value.
pub(super) fn mean_of(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation; `None` for fewer than two values.
pub(crate) fn sample_deviation(values: &[f64]) -> Option<f64> {
    let mean = mean_of(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() as f64 - 1.0)).sqrt())
}

/// The sizes of a row, in the order of its subsets.
pub(super) fn subset_sizes(row: &Row, outcome: &Outcome, results: &Results, own: &Own) -> Vec<SubsetSize> {
    let mut sizes: Vec<u64> = Vec::new();
    let mut of_size: BTreeMap<u64, Vec<Option<Values>>> = BTreeMap::new();
    for subset in &row.subsets {
        let size = subset.tasks.len() as u64;
        if !sizes.contains(&size) {
            sizes.push(size);
        }
        of_size.entry(size).or_default().push(values(subset, outcome, results, own));
    }
    let summarised = |size: u64| {
        let all = of_size.get(&size).map(Vec::as_slice).unwrap_or_default();
        let known: Vec<&Values> = all.iter().flatten().collect();
        let accuracies: Vec<f64> = known.iter().map(|values| values.accuracy).collect();
        // A normalised value is missing for all subsets with the same task.
        let normalised: Option<Vec<f64>> = known.iter().map(|values| values.normalised).collect();
        SubsetSize {
            size,
            subsets: known.len() as u64,
            missing: (all.len() - known.len()) as u64,
            mean_accuracy: Spread::of(&accuracies),
            mean_normalised: normalised.and_then(|values| Spread::of(&values)),
        }
    };
    sizes.into_iter().map(summarised).collect()
}

/// The values of one subset.
struct Values {
    accuracy: f64,
    normalised: Option<f64>,
}

fn values(subset: &SubsetJob, outcome: &Outcome, results: &Results, own: &Own) -> Option<Values> {
    let value = |metric: &Metric, scores: &[TaskScore]| metric.value(scores, &own.accuracies);
    match (subset.job, subset.tasks.as_slice()) {
        (Some(job), tasks) => {
            let scores = &results.found.get(&job)?.scores;
            (scores.len() == tasks.len()).then(|| Values {
                accuracy: mean_accuracy(scores),
                normalised: value(&Metric::MeanNormalisedAccuracy, scores),
            })
        }
        (None, [task]) => {
            // What is given is exact, and is what it is normalised by.
            let accuracy = *outcome.given_denominators.get(&outcome.report)?.get(task)?;
            Some(Values { accuracy, normalised: Some(1.0) })
        }
        (None, _) => None,
    }
}
