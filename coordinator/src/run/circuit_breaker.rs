use crate::{Frozen, StopReason};
use jobs::{JobId, Subject};
use std::collections::BTreeMap;

/// The number of kinds of errors that are counted for each origin. Further kinds are not counted.
const MAX_KINDS: usize = 100;

/// Stops a sweep that cannot succeed: its base fails, or its jobs fail again and again for the same reason and none succeeds.
///
/// Jobs are counted by their [`Origin`]: a search whose points all fail stops the run whatever other searches and baselines come to.
/// A point that succeeds shows that its search is no failure as a whole, so that counting begins anew, and failed points are
/// then points like others, which the search skips. Different errors do not reset each other: a search whose points fail for
/// two reasons by turns is as hopeless as one with a single reason.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    /// The number of jobs that may fail for the same reason without a success. `None` never stops.
    limit: Option<u64>,
    /// The split of each job that evaluates the base model.
    bases: BTreeMap<JobId, String>,
    /// How often each error occurred since a job of the same origin succeeded.
    failures: BTreeMap<Origin, BTreeMap<String, u64>>,
    reason: Option<StopReason>,
}

/// What jobs are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The points of the search with this index.
    Search(usize),
    /// All other jobs.
    Rest,
}

impl CircuitBreaker {
    pub(super) fn new(frozen: &Frozen, limit: Option<u64>) -> Self {
        let base = |split: &str| (frozen.meaning(Subject::Base, split).id(), split.to_owned());
        let bases = frozen.sweep().splits().into_iter().map(base).collect();
        Self { limit, bases, failures: BTreeMap::new(), reason: None }
    }

    /// Why the run stops, if it does.
    pub(super) fn reason(&self) -> Option<&StopReason> {
        self.reason.as_ref()
    }

    /// A job of this origin succeeded.
    pub(super) fn succeeded(&mut self, origin: Origin) {
        self.failures.remove(&origin);
    }

    /// The base model failed permanently, if `job` evaluates it, in this run or before.
    pub(super) fn base_failed(&mut self, job: &JobId, errors: &[String]) {
        let split = self.bases.get(job).filter(|_| self.limit.is_some());
        if let Some(split) = split {
            self.reason.get_or_insert(StopReason::Base { split: split.clone(), error: errors.join(": ") });
        }
    }

    /// A job of this origin failed permanently in this run. The failures of earlier runs say nothing about this one.
    pub(super) fn failed(&mut self, job: &JobId, origin: Origin, errors: &[String]) {
        let Some(limit) = self.limit else { return };
        if self.bases.contains_key(job) {
            return self.base_failed(job, errors);
        }
        let error = errors.join(": ");
        let kinds = self.failures.entry(origin).or_default();
        let kind = without_digits(&error);
        if kinds.len() >= MAX_KINDS && !kinds.contains_key(&kind) {
            return;
        }
        let jobs = kinds.entry(kind).or_default();
        *jobs += 1;
        if *jobs >= limit.max(1) {
            self.reason.get_or_insert(StopReason::SameFailure { jobs: *jobs, error });
        }
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
            let base = frozen.meaning(Subject::Base, split).id();
            if is_old {
                breaker.base_failed(&base, &errors("no page"));
            } else {
                breaker.failed(&base, Origin::Rest, &errors("no page"));
            }
            let text = breaker.reason().unwrap().to_string();
            assert!(text.starts_with(&format!("the base model itself failed on `{split}`")), "{text}");
            assert!(text.ends_with("the data cannot be used: no page"), "{text}");
        }
    }

    #[test]
    fn jobs_that_fail_for_the_same_reason_stop_the_sweep_unless_one_succeeds_between() {
        let mut breaker = CircuitBreaker::new(&frozen(&[]), Some(3));
        let origin = Origin::Search(0);
        breaker.failed(&job(1), origin, &errors("row 1"));
        breaker.failed(&job(2), origin, &errors("row 22"));
        breaker.succeeded(origin);
        breaker.failed(&job(3), origin, &errors("row 3"));
        breaker.failed(&job(4), origin, &errors("row 4"));
        assert_eq!(breaker.reason(), None);
        breaker.failed(&job(7), origin, &errors("row 77"));
        let error = "the data cannot be used: row 77".to_owned();
        assert_eq!(breaker.reason(), Some(&StopReason::SameFailure { jobs: 3, error }));
    }

    #[test]
    fn a_search_whose_points_all_fail_stops_the_sweep_although_other_jobs_succeed_between() {
        let mut breaker = CircuitBreaker::new(&frozen(&[]), Some(3));
        for number in 0..3 {
            assert_eq!(breaker.reason(), None);
            breaker.failed(&job(number), Origin::Search(1), &errors("row"));
            breaker.succeeded(Origin::Rest);
            breaker.succeeded(Origin::Search(0));
        }
        assert!(matches!(breaker.reason(), Some(StopReason::SameFailure { jobs: 3, .. })));
    }

    #[test]
    fn two_reasons_by_turns_do_not_hide_that_everything_fails() {
        let mut breaker = CircuitBreaker::new(&frozen(&[]), Some(3));
        for number in 0..5 {
            assert_eq!(breaker.reason(), None);
            breaker.failed(&job(number), Origin::Rest, &errors(["row", "column"][number as usize % 2]));
        }
        assert!(matches!(breaker.reason(), Some(StopReason::SameFailure { jobs: 3, .. })));
    }

    #[test]
    fn failing_points_between_good_ones_stop_nothing() {
        let mut breaker = CircuitBreaker::new(&frozen(&[]), Some(3));
        for number in 0..100 {
            breaker.failed(&job(number), Origin::Search(0), &errors("row"));
            breaker.failed(&job(number), Origin::Search(0), &errors("row"));
            breaker.succeeded(Origin::Search(0));
        }
        assert_eq!(breaker.reason(), None);
    }

    #[test]
    fn without_a_limit_nothing_stops() {
        let frozen = frozen(&[]);
        let mut breaker = CircuitBreaker::new(&frozen, None);
        let base = frozen.meaning(Subject::Base, "test").id();
        breaker.failed(&base, Origin::Rest, &errors("no page"));
        breaker.base_failed(&base, &errors("no page"));
        (0..1000).for_each(|number| breaker.failed(&job(number), Origin::Rest, &errors("row")));
        assert_eq!(breaker.reason(), None);
    }
}
