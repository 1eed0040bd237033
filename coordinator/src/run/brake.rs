use crate::Frozen;
use jobs::{JobId, Subject};
use std::{collections::BTreeMap, time::Duration};

/// Why a run stopped by itself before its sweep was over.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Stopped {
    /// The base model could not be evaluated.
    #[error("the base model itself failed on `{split}`, so that every merge would fail: {error}")]
    Base {
        /// The split.
        split: String,
        /// The error and its causes.
        error: String,
    },
    /// Jobs failed one after the other, for the same reason.
    #[error("{jobs} jobs in a row failed alike, and none succeeded: {error}")]
    Alike {
        /// How many.
        jobs: u64,
        /// The error of the last one and its causes.
        error: String,
    },
    /// The run has taken its time.
    #[error("the run has taken the time that it was given, {} s", .0.as_secs())]
    Time(Duration),
    /// The sweep has taken its time of devices.
    #[error("the jobs of the sweep have taken the device time that they were given, {:.2} h", .0.as_secs_f64() / 3600.0)]
    DeviceTime(Duration),
}

/// Stops a sweep that cannot come to anything.
#[derive(Debug)]
pub(super) struct Brake {
    /// Jobs in a row that may fail alike; `None` never stops.
    limit: Option<u64>,
    /// The base model on each split.
    bases: BTreeMap<JobId, String>,
    /// What the last failures have in common, and how many they are.
    row: Option<(String, u64)>,
    reason: Option<Stopped>,
}

impl Brake {
    pub(super) fn new(frozen: &Frozen, limit: Option<u64>) -> Self {
        let base = |split: &str| (frozen.meaning(Subject::Base, split).id(), split.to_owned());
        let bases = frozen.sweep().splits().into_iter().map(base).collect();
        Self { limit, bases, row: None, reason: None }
    }

    /// Why the run stops, if it does.
    pub(super) fn reason(&self) -> Option<&Stopped> {
        self.reason.as_ref()
    }

    pub(super) fn succeeded(&mut self) {
        self.row = None;
    }

    /// A job failed for good; `is_old` if it did before this run.
    pub(super) fn failed(&mut self, job: JobId, errors: &[String], is_old: bool) {
        let Some(limit) = self.limit else { return };
        let error = errors.join(": ");
        if let Some(split) = self.bases.get(&job) {
            self.reason.get_or_insert(Stopped::Base { split: split.clone(), error });
            return;
        }
        // How many failed alike in earlier runs says nothing about this one.
        if is_old {
            return;
        }
        let kind = kind_of(&error);
        let jobs = match self.row.take() {
            Some((last, jobs)) if last == kind => jobs + 1,
            _ => 1,
        };
        if jobs >= limit.max(1) {
            self.reason.get_or_insert(Stopped::Alike { jobs, error });
        }
        self.row = Some((kind, jobs));
    }
}

/// An error without its numbers: the same reason may come with the id of a job or with a row.
fn kind_of(error: &str) -> String {
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
    fn a_base_that_fails_stops_the_sweep_at_once_in_this_run_or_before() {
        for (split, is_old) in [("validation", false), ("test", true)] {
            let frozen = frozen(&[]);
            let mut brake = Brake::new(&frozen, Some(20));
            brake.failed(frozen.meaning(Subject::Base, split).id(), &errors("no page"), is_old);
            let text = brake.reason().unwrap().to_string();
            assert!(text.starts_with(&format!("the base model itself failed on `{split}`")), "{text}");
            assert!(text.ends_with("the data cannot be used: no page"), "{text}");
        }
    }

    #[test]
    fn jobs_that_fail_alike_stop_the_sweep_unless_one_succeeds_between() {
        let mut brake = Brake::new(&frozen(&[]), Some(3));
        brake.failed(job(1), &errors("row 1"), false);
        brake.failed(job(2), &errors("row 22"), false);
        brake.succeeded();
        brake.failed(job(3), &errors("row 3"), false);
        brake.failed(job(4), &errors("column 3"), false);
        brake.failed(job(5), &errors("row 5"), true);
        brake.failed(job(6), &errors("column 6"), false);
        assert_eq!(brake.reason(), None);
        brake.failed(job(7), &errors("column 77"), false);
        let error = "the data cannot be used: column 77".to_owned();
        assert_eq!(brake.reason(), Some(&Stopped::Alike { jobs: 3, error }));
    }

    #[test]
    fn without_a_brake_nothing_stops() {
        let frozen = frozen(&[]);
        let mut brake = Brake::new(&frozen, None);
        brake.failed(frozen.meaning(Subject::Base, "test").id(), &errors("no page"), false);
        (0..1000).for_each(|number| brake.failed(job(number), &errors("row"), false));
        assert_eq!(brake.reason(), None);
    }
}
