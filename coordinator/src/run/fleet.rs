//! Whether workers are there that take the jobs of a run, and what a person is told if none are.

use jobs::WorkerStatus;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How long jobs may wait without any worker before that is said: workers may be on their way.
const LONELY_FOR: Duration = Duration::from_secs(30);

/// How long until it is said again.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// The workers of a store, as a run that hands its jobs to one of their pools sees them.
#[derive(Debug)]
pub(super) struct Fleet {
    /// `None` where jobs are computed in this process.
    pool: Option<String>,
    /// Since when no worker takes the jobs that wait.
    lonely_since: Option<Instant>,
    said: Option<Instant>,
}

impl Fleet {
    pub(super) fn new(pool: Option<String>) -> Self {
        Self { pool, lonely_since: None, said: None }
    }

    /// How many of the workers that are alive take the run's jobs.
    pub(super) fn able(&self, alive: &[WorkerStatus]) -> usize {
        match &self.pool {
            None => alive.len(),
            Some(pool) => alive.iter().filter(|status| status.takes_jobs_of(pool)).count(),
        }
    }

    /// What a person should know, now that so many jobs wait for an answer: at once where workers are alive in other pools alone,
    /// which no time mends, and after a while where there are none at all.
    pub(super) fn warning(&mut self, alive: &[WorkerStatus], outstanding: usize) -> Option<String> {
        if outstanding == 0 || self.able(alive) > 0 {
            self.lonely_since = None;
            self.said = None;
            return None;
        }
        let elsewhere = self.elsewhere(alive);
        let lonely_since = *self.lonely_since.get_or_insert_with(Instant::now);
        let is_due = !elsewhere.is_empty() || lonely_since.elapsed() > LONELY_FOR;
        if !is_due || self.said.is_some_and(|said| said.elapsed() < AGAIN_AFTER) {
            return None;
        }
        self.said = Some(Instant::now());
        Some(match &self.pool {
            Some(pool) if !elsewhere.is_empty() => in_other_pools(pool, &elsewhere),
            _ => "jobs wait, and no worker has been heard of; is one running, with the same store and pool?".to_owned(),
        })
    }

    /// How many workers take jobs of which other pool.
    fn elsewhere<'a>(&self, alive: &'a [WorkerStatus]) -> BTreeMap<&'a str, usize> {
        let mut pools = BTreeMap::new();
        if self.pool.is_some() {
            for pool in alive.iter().filter(|status| !status.is_local).filter_map(|status| status.pool.as_deref()) {
                *pools.entry(pool).or_default() += 1;
            }
        }
        pools
    }
}

fn in_other_pools(pool: &str, elsewhere: &BTreeMap<&str, usize>) -> String {
    let counts = elsewhere.iter().map(|(pool, count)| format!("{count} in pool `{pool}`"));
    let counts = counts.collect::<Vec<_>>().join(", ");
    let other = elsewhere.keys().next().copied().unwrap_or_default();
    format!(
        "jobs wait in pool `{pool}`, and no worker of this store takes them: there are {counts}; start workers with \
         `--pool {pool}`, or run the sweep with `--pool {other}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(pool: Option<&str>) -> WorkerStatus {
        WorkerStatus { pool: pool.map(str::to_owned), ..WorkerStatus::fresh("w", "cpu", 0) }
    }

    fn fleet() -> Fleet {
        Fleet::new(Some("a40".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn workers_of_other_pools_alone_are_told_of_at_once_and_again_after_ten_minutes() {
        let mut fleet = fleet();
        let alive = [worker(Some("cpu")), worker(Some("cpu")), worker(Some("h100"))];
        assert_eq!(fleet.warning(&alive, 0), None, "nothing waits");
        let said = fleet.warning(&alive, 3).unwrap();
        assert_eq!(
            said,
            "jobs wait in pool `a40`, and no worker of this store takes them: there are 2 in pool `cpu`, 1 in pool \
             `h100`; start workers with `--pool a40`, or run the sweep with `--pool cpu`"
        );
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert_eq!(fleet.warning(&alive, 3), None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(fleet.warning(&alive, 3), Some(said));
        assert_eq!(fleet.warning(&[worker(Some("a40"))], 3), None);
        assert!(fleet.warning(&alive, 3).is_some(), "the worker has gone, which is news");
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_is_no_worker_at_all_is_told_after_half_a_minute() {
        let mut fleet = fleet();
        let local = WorkerStatus { is_local: true, ..worker(None) };
        assert_eq!(fleet.warning(&[], 1), None);
        tokio::time::sleep(Duration::from_secs(31)).await;
        let said = fleet.warning(&[local], 1).unwrap();
        assert!(said.contains("no worker has been heard of"), "{said}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_tell_its_pool_may_be_of_the_runs() {
        assert_eq!(fleet().warning(&[worker(None), worker(Some("cpu"))], 1), None);
        let here = Fleet::new(None);
        assert_eq!((fleet().able(&[worker(Some("cpu"))]), here.able(&[worker(Some("cpu"))])), (0, 1));
    }
}
