use super::counter::lock;
use crate::delivery::DEFERRAL;
use jobs::{JobId, WorkerStatus};
use std::{collections::HashMap, sync::Mutex};
use tokio::time::Instant;

/// Jobs that this process left to workers of another version, and that may come by again.
#[derive(Debug, Default)]
pub(super) struct Deferred(Mutex<HashMap<JobId, Instant>>);

impl Deferred {
    /// Notes a job, as far as there is room; whether it was not noted before.
    pub(super) fn note(&self, job: JobId) -> bool {
        let mut jobs = lock(&self.0);
        prune(&mut jobs);
        if jobs.len() >= WorkerStatus::MOST_LEFT && !jobs.contains_key(&job) {
            return false;
        }
        jobs.insert(job, Instant::now()).is_none()
    }

    pub(super) fn recent(&self) -> Vec<JobId> {
        let mut jobs = lock(&self.0);
        prune(&mut jobs);
        let mut recent: Vec<JobId> = jobs.keys().copied().collect();
        recent.sort_unstable();
        recent
    }
}

/// One that did not come by for several rounds is with somebody else.
fn prune(jobs: &mut HashMap<JobId, Instant>) {
    jobs.retain(|_, since| since.elapsed() < DEFERRAL * 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::job;

    #[tokio::test(start_paused = true)]
    async fn a_job_is_told_of_until_it_has_not_come_by_for_a_minute() {
        let deferred = Deferred::default();
        assert!(deferred.note(job(1).id()) && !deferred.note(job(1).id()), "it is new once");
        tokio::time::sleep(DEFERRAL * 3).await;
        assert!(deferred.note(job(2).id()));
        let mut both = [job(1).id(), job(2).id()];
        both.sort_unstable();
        assert_eq!(deferred.recent(), both);
        tokio::time::sleep(DEFERRAL).await;
        assert_eq!(deferred.recent(), [job(2).id()]);
    }
}
