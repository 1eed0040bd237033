//! What becomes of a job after an attempt: decided here, done by the worker.

use crate::{JobError, limits::Limits};
use std::time::Duration;

/// What to do with a delivery whose attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AfterFailure {
    /// Give it back as it is: the worker is stopping, and the attempt does not count.
    GiveBack,
    /// Nobody wants it any more.
    Drop,
    /// Try again, not before this has passed.
    Retry(Duration),
    /// Record the failure for good and set the job aside.
    Park,
}

/// The longest pause before another attempt: well below the time after which a coordinator misses a job.
const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// Decides what follows a failed attempt, counted from 1.
pub(crate) fn after_failure(error: &JobError, attempt: u32, limits: &Limits) -> AfterFailure {
    match error {
        JobError::Interrupted => return AfterFailure::GiveBack,
        JobError::Cancelled(_) => return AfterFailure::Drop,
        _ => {}
    }
    let may_pass = error.is_retryable() || (limits.own_faults.is_some() && error.is_own_fault());
    if !may_pass || attempt >= limits.attempts {
        return AfterFailure::Park;
    }
    let doublings = attempt.saturating_sub(1).min(10);
    AfterFailure::Retry(limits.back_off.saturating_mul(1 << doublings).min(MAX_BACK_OFF))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { attempts: 3, back_off: Duration::from_secs(1), ..Limits::default() }
    }

    #[test]
    fn a_passing_failure_is_tried_again_with_growing_pauses_until_attempts_run_out() {
        let error = JobError::Panicked("gone".to_owned());
        assert_eq!(after_failure(&error, 1, &limits()), AfterFailure::Retry(Duration::from_secs(1)));
        assert_eq!(after_failure(&error, 2, &limits()), AfterFailure::Retry(Duration::from_secs(2)));
        assert_eq!(after_failure(&error, 3, &limits()), AfterFailure::Park);
    }

    #[test]
    fn what_lies_with_the_worker_is_tried_by_another_where_there_is_one() {
        let error = || JobError::Changed { place: "/data".to_owned(), expected: String::new(), found: String::new() };
        assert_eq!(after_failure(&error(), 1, &limits()), AfterFailure::Park);
        let limits = Limits { own_faults: Some(3), ..limits() };
        assert_eq!(after_failure(&error(), 1, &limits), AfterFailure::Retry(Duration::from_secs(1)));
        assert_eq!(after_failure(&error(), 3, &limits), AfterFailure::Park);
    }

    #[test]
    fn pauses_do_not_grow_for_ever() {
        let limits = Limits { attempts: 20, ..limits() };
        let error = JobError::Panicked("gone".to_owned());
        assert_eq!(after_failure(&error, 12, &limits), AfterFailure::Retry(Duration::from_secs(60)));
    }

    #[test]
    fn bad_input_is_never_tried_again() {
        assert_eq!(after_failure(&JobError::Incomplete(String::new()), 1, &limits()), AfterFailure::Park);
    }

    #[test]
    fn a_cancelled_job_leaves_no_failure_behind() {
        assert_eq!(after_failure(&JobError::Cancelled("s".to_owned()), 3, &limits()), AfterFailure::Drop);
    }

    #[test]
    fn an_interrupted_job_goes_back_without_counting() {
        assert_eq!(after_failure(&JobError::Interrupted, 3, &limits()), AfterFailure::GiveBack);
    }
}
