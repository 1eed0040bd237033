//! How much too good learned coefficients look on the examples that they were tuned on.

use super::build::scores;
use crate::Results;
use jobs::{Outcome, Row, mean_accuracy};

/// A sentence for each row that was tuned on a split of its own, of which the numbers on that split and on the report
/// split are there.
pub(super) fn optimism(outcome: &Outcome, results: &Results) -> Vec<String> {
    outcome.rows.iter().filter_map(|row| of_row(row, outcome, results)).collect()
}

fn of_row(row: &Row, outcome: &Outcome, results: &Results) -> Option<String> {
    let tuned_on = row.jobs.keys().find(|split| **split != outcome.select && **split != outcome.report)?;
    let accuracy = |split: &str| {
        let scores = scores(row, split, outcome, results);
        (scores.len() == outcome.tasks.len()).then(|| 100.0 * mean_accuracy(&scores))
    };
    let tuned = accuracy(tuned_on)?;
    let reported = accuracy(&outcome.report)?;
    Some(format!(
        "`{}` was tuned on `{tuned_on}`, where its mean accuracy is {tuned:.1} %; on `{}` it is {reported:.1} %: an optimism of {:.1} \
         points",
        row.name,
        outcome.report,
        tuned - reported
    ))
}
