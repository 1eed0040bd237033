use super::values::number;
use crate::{
    Kind, Summary,
    summary::{Own, normalised_interval},
};
use jobs::{Interval, Metric, TaskScore, mean_interval};
use polars::prelude::DataFrame;
use std::collections::BTreeMap;

/// What the finite numbers of examples leave open of the number that a sweep searched by, on one split.
pub(super) struct Uncertainty<'a> {
    metric: &'a Metric,
    tasks: &'a [String],
    own: Own,
}

impl<'a> Uncertainty<'a> {
    /// That of the merges of a sweep on `split`.
    pub(super) fn of(summary: &'a Summary, split: &str) -> Self {
        let mut own = Own::default();
        let alone = summary.rows.iter().find(|row| row.kind == Kind::Finetuned);
        for task in alone.and_then(|row| row.splits.get(split)).into_iter().flat_map(|split| &split.tasks) {
            own.accuracies.insert(task.task.clone(), task.accuracy);
            own.examples.extend(task.n.map(|n| (task.task.clone(), n)));
        }
        Self { metric: &summary.objective.metric, tasks: &summary.tasks, own }
    }

    /// The columns of the frame that it is computed from.
    pub(super) fn columns(tasks: &[String]) -> impl Iterator<Item = String> {
        tasks.iter().flat_map(|task| [examples(task), share(task)])
    }

    /// The 95 % interval of a merge's value, whose [`columns`](Self::columns) are in a row of `found`; `None` if a task
    /// is missing there, or an own accuracy that it is normalised by.
    pub(super) fn interval(&self, found: &DataFrame, row: usize) -> Option<Interval> {
        let count = |name: String| number(found, &name, row).map(|count| count as u64);
        let score = |task: &String| {
            let n = count(examples(task))?;
            // Of a count, this is its share.
            let mean = number(found, &share(task), row)?;
            Some(TaskScore {
                task: task.clone(),
                n,
                correct: 0,
                hits: BTreeMap::new(),
                right: None,
                truncated: 0,
                within: BTreeMap::new(),
                mean: Some(mean),
            })
        };
        let scores = || self.tasks.iter().map(score).collect::<Option<Vec<_>>>();
        match self.metric {
            Metric::MeanNormalisedAccuracy => normalised_interval(&scores()?, &self.own),
            Metric::MeanAccuracy => Some(mean_interval(&scores()?)),
            Metric::Accuracy(task) => score(task).map(|score| score.interval()),
            // The least of several is biased, and has no simple interval.
            Metric::WorstNormalisedAccuracy | Metric::WorstAccuracy => None,
            // Hits are counted over the examples of all tasks.
            Metric::JointHits(_) => {
                let share = number(found, "value", row)?;
                let n = number(found, "n", row)? as u64;
                Some(Interval::wilson((share * n as f64).round() as u64, n))
            }
        }
    }
}

fn examples(task: &str) -> String {
    format!("n.{task}")
}

fn share(task: &str) -> String {
    format!("accuracy.{task}")
}
