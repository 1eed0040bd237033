use crate::clock::Now;
use jobs::WorkerStatus;
use std::{collections::HashMap, time::Duration};
use store::{Dated, StoreError};
use tokio::time::Instant;

/// A worker without a heartbeat for this long does not hold its job any more, as far as a coordinator is concerned.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// The last heartbeats of workers, dated by the store's clock and ours. The workers' clocks may be wrong.
#[derive(Debug, Default)]
pub(super) struct WorkerLiveness(HashMap<String, LastHeartbeat>);

#[derive(Debug, Clone, Copy)]
struct LastHeartbeat {
    /// The heartbeat, as the worker dated it. Only a change counts.
    beat_ms: u64,
    /// When this heartbeat was first seen, by our clock.
    since: Instant,
}

impl WorkerLiveness {
    /// The workers whose status has changed recently. A worker that is seen for the first time is as old as the store
    /// says, or new if the store does not say.
    pub(super) fn alive(
        &mut self,
        workers: Vec<(String, Result<Dated<WorkerStatus>, StoreError>)>,
        now: Now,
    ) -> Vec<WorkerStatus> {
        let mut last = HashMap::with_capacity(workers.len());
        let mut alive = Vec::new();
        for (name, status) in workers {
            // A status of another version cannot be read. Such a worker is not counted.
            let Ok(dated) = status else { continue };
            let age = dated.written.map_or(Duration::ZERO, |_| dated.age(0, now.unix_ms));
            let status = dated.content;
            let since = match self.0.get(&name) {
                Some(known) if known.beat_ms == status.beat_ms => known.since,
                _ if age >= ALIVE_WITHIN => continue,
                _ => now.instant.checked_sub(age).unwrap_or(now.instant),
            };
            last.insert(name, LastHeartbeat { beat_ms: status.beat_ms, since });
            if now.instant.duration_since(since) < ALIVE_WITHIN {
                alive.push(status);
            }
        }
        self.0 = last;
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Written;

    fn status(beat_ms: u64) -> Vec<(String, Result<Dated<WorkerStatus>, StoreError>)> {
        let content = WorkerStatus { beat_ms, ..WorkerStatus::fresh("w", "cpu", 0) };
        vec![("w".to_owned(), Ok(Dated { content, written: None }))]
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_status_is_old_by_the_stores_clock_is_not_alive_when_it_is_first_seen() {
        let seen = |age_s: u64| {
            let mut workers = status(7);
            let written = Written { at_ms: 0, now_ms: age_s * 1000 };
            workers.iter_mut().for_each(|(_, dated)| dated.as_mut().unwrap().written = Some(written));
            workers
        };
        let mut liveness = WorkerLiveness::default();
        assert!(liveness.alive(seen(3600), Now::read()).is_empty());
        assert!(liveness.alive(seen(3605), Now::read()).is_empty());
        assert_eq!(WorkerLiveness::default().alive(seen(20), Now::read()).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_is_alive_while_its_heartbeat_changes_whatever_its_clock_says() {
        let mut liveness = WorkerLiveness::default();
        for beat in [5, 1, 3] {
            assert_eq!(liveness.alive(status(beat), Now::read()).len(), 1);
            tokio::time::sleep(Duration::from_secs(45)).await;
            assert_eq!(liveness.alive(status(beat), Now::read()).len(), 1);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(liveness.alive(status(3), Now::read()).is_empty());
        assert_eq!(liveness.alive(status(4), Now::read()).len(), 1, "it is back");
    }
}
