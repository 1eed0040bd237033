//! Whether workers exist that take the jobs of a run, and the warning if none do.

use jobs::WorkerStatus;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// How long jobs may wait without any worker before the warning: workers may be starting.
const WARN_AFTER: Duration = Duration::from_secs(30);

/// How long until the warning is repeated.
const REPEAT_AFTER: Duration = Duration::from_secs(600);

/// The workers of a store, as a run sees them.
#[derive(Debug)]
pub(super) struct WorkerFleet {
    /// The pool of the run; `None` if jobs are computed in this process.
    pool: Option<String>,
    /// Since when no worker takes the jobs that wait.
    unserved_since: Option<Instant>,
    warned: Option<Instant>,
}

impl WorkerFleet {
    pub(super) fn new(pool: Option<String>) -> Self {
        Self { pool, unserved_since: None, warned: None }
    }

    /// The live workers that take the run's jobs.
    pub(super) fn able<'a>(&self, alive: &'a [WorkerStatus]) -> Vec<&'a WorkerStatus> {
        let takes = |status: &&WorkerStatus| self.pool.as_ref().is_none_or(|pool| status.takes_jobs_of(pool));
        alive.iter().filter(takes).collect()
    }

    /// The warning that is due while `outstanding` jobs wait. If all live workers are in other pools, it is due at
    /// once, since waiting cannot help. If there is no worker at all, it is due after a while.
    pub(super) fn warning(&mut self, alive: &[WorkerStatus], outstanding: usize, now: Instant) -> Option<String> {
        if outstanding == 0 || !self.able(alive).is_empty() {
            self.unserved_since = None;
            self.warned = None;
            return None;
        }
        let elsewhere = self.elsewhere(alive);
        let unserved_since = *self.unserved_since.get_or_insert(now);
        let is_due = !elsewhere.is_empty() || now.duration_since(unserved_since) > WARN_AFTER;
        if !is_due || self.warned.is_some_and(|warned| now.duration_since(warned) < REPEAT_AFTER) {
            return None;
        }
        self.warned = Some(now);
        Some(match &self.pool {
            Some(pool) if !elsewhere.is_empty() => in_other_pools(pool, &elsewhere),
            _ => "jobs wait, and no worker has a recent heartbeat; is one running, with the same store and pool?"
                .to_owned(),
        })
    }

    /// The number of workers of each other pool.
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

    fn fleet() -> WorkerFleet {
        WorkerFleet::new(Some("a40".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn workers_of_other_pools_only_cause_a_warning_at_once_and_again_after_ten_minutes() {
        let mut fleet = fleet();
        let alive = [worker(Some("cpu")), worker(Some("cpu")), worker(Some("h100"))];
        assert_eq!(fleet.warning(&alive, 0, Instant::now()), None, "nothing waits");
        let warning = fleet.warning(&alive, 3, Instant::now()).unwrap();
        assert_eq!(
            warning,
            "jobs wait in pool `a40`, and no worker of this store takes them: there are 2 in pool `cpu`, 1 in pool \
             `h100`; start workers with `--pool a40`, or run the sweep with `--pool cpu`"
        );
        tokio::time::sleep(Duration::from_secs(599)).await;
        assert_eq!(fleet.warning(&alive, 3, Instant::now()), None);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(fleet.warning(&alive, 3, Instant::now()), Some(warning));
        assert_eq!(fleet.warning(&[worker(Some("a40"))], 3, Instant::now()), None);
        assert!(fleet.warning(&alive, 3, Instant::now()).is_some(), "the worker has left");
    }

    #[tokio::test(start_paused = true)]
    async fn no_worker_at_all_causes_a_warning_after_half_a_minute() {
        let mut fleet = fleet();
        let local = WorkerStatus { is_local: true, ..worker(None) };
        assert_eq!(fleet.warning(&[], 1, Instant::now()), None);
        tokio::time::sleep(Duration::from_secs(31)).await;
        let warning = fleet.warning(&[local], 1, Instant::now()).unwrap();
        assert!(warning.contains("no worker has a recent heartbeat"), "{warning}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_pool_in_its_status_may_take_the_jobs() {
        assert_eq!(fleet().warning(&[worker(None), worker(Some("cpu"))], 1, Instant::now()), None);
        let here = WorkerFleet::new(None);
        assert_eq!((fleet().able(&[worker(Some("cpu"))]).len(), here.able(&[worker(Some("cpu"))]).len()), (0, 1));
    }
}
