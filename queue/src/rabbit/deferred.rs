use crate::delivery::DEFER_DELAY;
use jobs::{JobId, WorkerStatus};
use parking_lot::Mutex;
use std::collections::HashMap;
use tokio::time::Instant;

/// The jobs that this process recently deferred to workers of another version.
#[derive(Debug, Default)]
pub(super) struct Deferred(Mutex<HashMap<JobId, Instant>>);

impl Deferred {
    /// Notes a job if there is room. Returns whether it is new.
    pub(super) fn note(&self, job: JobId) -> bool {
        let mut jobs = self.0.lock();
        prune(&mut jobs);
        if jobs.len() >= WorkerStatus::MOST_LEFT && !jobs.contains_key(&job) {
            return false;
        }
        jobs.insert(job, Instant::now()).is_none()
    }

    /// The noted jobs, in order.
    pub(super) fn recent(&self) -> Vec<JobId> {
        let mut jobs = self.0.lock();
        prune(&mut jobs);
        let mut recent: Vec<JobId> = jobs.keys().copied().collect();
        recent.sort_unstable();
        recent
    }
}

/// Removes the jobs that have not returned for several delays: another worker has them.
fn prune(jobs: &mut HashMap<JobId, Instant>) {
    jobs.retain(|_, since| since.elapsed() < DEFER_DELAY * 4);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::job;

    #[tokio::test(start_paused = true)]
    async fn a_deferred_job_is_listed_until_it_has_not_returned_for_a_minute() {
        let deferred = Deferred::default();
        assert!(deferred.note(job(1).id()) && !deferred.note(job(1).id()), "it is new once");
        tokio::time::sleep(DEFER_DELAY * 3).await;
        assert!(deferred.note(job(2).id()));
        let mut both = [job(1).id(), job(2).id()];
        both.sort_unstable();
        assert_eq!(deferred.recent(), both);
        tokio::time::sleep(DEFER_DELAY).await;
        assert_eq!(deferred.recent(), [job(2).id()]);
    }
}
