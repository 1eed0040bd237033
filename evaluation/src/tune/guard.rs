//! When tuning stops, and which coefficients it keeps.

use jobs::TuneGuard;
use serde::{Deserialize, Serialize};

/// One look at how far the merge predicts what the tasks' own models do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Steps made before.
    pub step: usize,
    /// The share of tuning examples for which the merge and the task's own model name the same class, averaged over the
    /// tasks.
    pub agreement: f64,
    /// The coefficients at the time.
    pub coefficients: Vec<f64>,
}

/// The check with the best agreement; of equal ones, the latest.
pub(super) fn best(checks: &[Check]) -> Option<&Check> {
    checks.iter().max_by(|a, b| a.agreement.total_cmp(&b.agreement))
}

/// True if the last check lies further below the best than it may.
pub(super) fn has_fallen(guard: TuneGuard, checks: &[Check]) -> bool {
    match (best(checks), checks.last()) {
        (Some(best), Some(last)) => last.agreement < best.agreement - guard.fall,
        _ => false,
    }
}

/// True if agreement is checked after so many steps.
pub(super) fn is_due(guard: TuneGuard, step: usize, steps: usize) -> bool {
    step.is_multiple_of(guard.every) || step == steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(agreements: &[f64]) -> Vec<Check> {
        let check = |(step, agreement): (usize, &f64)| Check { step, agreement: *agreement, coefficients: Vec::new() };
        agreements.iter().enumerate().map(check).collect()
    }

    #[test]
    fn tuning_stops_when_agreement_falls_below_its_best() {
        let guard = TuneGuard { every: 5, fall: 0.02 };
        assert!(!has_fallen(guard, &[]));
        assert!(!has_fallen(guard, &checks(&[0.8])));
        assert!(!has_fallen(guard, &checks(&[0.8, 0.9, 0.885])));
        assert!(has_fallen(guard, &checks(&[0.8, 0.9, 0.87])));
    }

    #[test]
    fn the_best_check_is_the_latest_of_equal_ones() {
        assert_eq!(best(&checks(&[0.8, 0.9, 0.9, 0.7])).unwrap().step, 2);
        assert!(best(&[]).is_none());
    }

    #[test]
    fn agreement_is_checked_at_the_start_at_intervals_and_at_the_end() {
        let guard = TuneGuard { every: 4, fall: 0.0 };
        let due: Vec<usize> = (0..=10).filter(|step| is_due(guard, *step, 10)).collect();
        assert_eq!(due, [0, 4, 8, 10]);
    }
}
