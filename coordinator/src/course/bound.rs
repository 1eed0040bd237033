use super::{Running, baselines, known::measured, searches};
use crate::CoordinatorError;
use jobs::Sweep;

/// The most jobs that `sweep` may want, wherever its inputs lie: nothing is located and nothing read.
///
/// Jobs that several parts share are counted for each.
///
/// # Errors
/// As [`Course::new`](crate::Course::new).
pub fn bound(sweep: &Sweep) -> Result<u64, CoordinatorError> {
    baselines(sweep)?;
    Ok(bound_of(sweep, &searches(sweep)?))
}

pub(super) fn bound_of(sweep: &Sweep, searches: &[Running]) -> u64 {
    let points = searches.iter().fold(0u64, |sum, running| sum.saturating_add(running.walk.bound()));
    let (select, report) = (&sweep.evaluation.select, &sweep.evaluation.report);
    // The base model and the adapters alone.
    let references = |split: &str| 1 + measured(sweep, split).count();
    let mut fixed = references(select) + sweep.baselines.len();
    if report != select {
        fixed += references(report) + sweep.baselines.len() + sweep.searches.len();
    }
    points.saturating_add(fixed as u64)
}
