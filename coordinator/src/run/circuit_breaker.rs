use crate::{Frozen, StopReason};
use jobs::{JobId, Subject};
use std::collections::BTreeMap;

/// Stops a sweep that cannot succeed: its base fails, or its jobs fail one after the other for the same reason.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    /// The number of jobs in a row that may fail for the same reason. `None` never stops.
    limit: Option<u64>,
    /// The split of each job that evaluates the base model.
    bases: BTreeMap<JobId, String>,
    streak: Option<Streak>,
    reason: Option<StopReason>,
}

/// Failures in a row that have the same reason.
#[derive(Debug)]
struct Streak {
    /// The common error, without its numbers.
    kind: String,
    jobs: u64,
}

impl CircuitBreaker {
    pub(super) fn new(frozen: &Frozen, limit: Option<u64>) -> Self {
        let base = |split: &str| (frozen.meaning(Subject::Base, split).id(), split.to_owned());
        let bases = frozen.sweep().splits().into_iter().map(base).collect();
        Self { limit, bases, streak: None, reason: None }
    }

    /// Why the run stops, if it does.
    pub(super) fn reason(&self) -> Option<&StopReason> {
        self.reason.as_ref()
    }

    pub(super) fn succeeded(&mut self) {
        self.streak = None;
    }

    /// A job failed permanently; `is_old` if it failed before this run.
    pub(super) fn failed(&mut self, job: JobId, errors: &[String], is_old: bool) {
        let Some(limit) = self.limit else { return };
        let error = errors.join(": ");
        if let Some(split) = self.bases.get(&job) {
            self.reason.get_or_insert(StopReason::Base { split: split.clone(), error });
            return;
        }
        // The failures of earlier runs say nothing about this one.
        if is_old {
            return;
        }
        let kind = without_digits(&error);
        let jobs = match self.streak.take() {
            Some(streak) if streak.kind == kind => streak.jobs + 1,
            _ => 1,
        };
        if jobs >= limit.max(1) {
            self.reason.get_or_insert(StopReason::SameFailure { jobs, error });
        }
        self.streak = Some(Streak { kind, jobs });
    }
}

/// An error without its numbers. The same reason may come with the id of a job or the number of a row.
fn without_digits(error: &str) -> String {
    error.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frozen;
    use jobs::Digest;

    fn job(number: u32) -> JobId {
        Digest::of(&number.to_le_bytes()).into()
    }

    fn errors(text: &str) -> Vec<String> {
        vec!["the data cannot be used".to_owned(), text.to_owned()]
    }

    #[test]
    fn a_failed_base_stops_the_sweep_at_once_in_this_run_or_before() {
        for (split, is_old) in [("validation", false), ("test", true)] {
            let frozen = frozen(&[]);
            let mut breaker = CircuitBreaker::new(&frozen, Some(20));
            breaker.failed(frozen.meaning(Subject::Base, split).id(), &errors("no page"), is_old);
            let text = breaker.reason().unwrap().to_string();
            assert!(text.starts_with(&format!("the base model itself failed on `{split}`")), "{text}");
            assert!(text.ends_with("the data cannot be used: no page"), "{text}");
        }
    }

    #[test]
    fn jobs_that_fail_for_the_same_reason_stop_the_sweep_unless_one_succeeds_between() {
        let mut breaker = CircuitBreaker::new(&frozen(&[]), Some(3));
        breaker.failed(job(1), &errors("row 1"), false);
        breaker.failed(job(2), &errors("row 22"), false);
        breaker.succeeded();
        breaker.failed(job(3), &errors("row 3"), false);
        breaker.failed(job(4), &errors("column 3"), false);
        breaker.failed(job(5), &errors("row 5"), true);
        breaker.failed(job(6), &errors("column 6"), false);
        assert_eq!(breaker.reason(), None);
        breaker.failed(job(7), &errors("column 77"), false);
        let error = "the data cannot be used: column 77".to_owned();
        assert_eq!(breaker.reason(), Some(&StopReason::SameFailure { jobs: 3, error }));
    }

    #[test]
    fn without_a_limit_nothing_stops() {
        let frozen = frozen(&[]);
        let mut breaker = CircuitBreaker::new(&frozen, None);
        breaker.failed(frozen.meaning(Subject::Base, "test").id(), &errors("no page"), false);
        (0..1000).for_each(|number| breaker.failed(job(number), &errors("row"), false));
        assert_eq!(breaker.reason(), None);
    }
}
