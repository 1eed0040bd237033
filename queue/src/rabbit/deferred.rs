use super::counter::lock;
use crate::delivery::DEFERRAL;
use jobs::JobId;
use std::{collections::HashMap, sync::Mutex};
use tokio::time::Instant;

/// The most jobs to tell of: what a worker tells of itself stays small.
const MOST: usize = 1000;

/// Jobs that this process left to workers of another version, and that may come by again.
#[derive(Debug, Default)]
pub(super) struct Deferred(Mutex<HashMap<JobId, Instant>>);

impl Deferred {
    pub(super) fn note(&self, job: JobId) {
        let mut jobs = lock(&self.0);
        prune(&mut jobs);
        if jobs.len() < MOST || jobs.contains_key(&job) {
            jobs.insert(job, Instant::now());
        }
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
        deferred.note(job(1).id());
        tokio::time::sleep(DEFERRAL * 3).await;
        deferred.note(job(2).id());
        let mut both = [job(1).id(), job(2).id()];
        both.sort_unstable();
        assert_eq!(deferred.recent(), both);
        tokio::time::sleep(DEFERRAL).await;
        assert_eq!(deferred.recent(), [job(2).id()]);
    }
}
