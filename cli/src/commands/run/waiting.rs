//! Says that a run waits because no worker of its pool is there.

use crate::{clock::now_ms, terminal};
use jobs::WorkerStatus;
use std::{convert::Infallible, future::pending, time::Duration};
use store::{Dated, Store};
use tokio::time::sleep;

/// How long a run waits before it looks for workers.
const PATIENCE: Duration = Duration::from_secs(5);

/// The time between two looks.
const INTERVAL: Duration = Duration::from_secs(15);

/// A worker whose last heartbeat is older is not there.
const ALIVE_WITHIN: Duration = Duration::from_secs(60);

/// Polls `background`, and says of a run on a pool whether workers are there until the first one is.
pub(super) async fn beside(
    background: impl Future<Output = Infallible>,
    store: &Store,
    pool: Option<&str>,
) -> Infallible {
    let told = async {
        if let Some(pool) = pool {
            tell(store, pool).await;
        }
        pending().await
    };
    tokio::select! {
        never = background => never,
        never = told => never,
    }
}

/// Returns when a worker of the pool is there. A store that cannot be read says nothing.
async fn tell(store: &Store, pool: &str) {
    let mut is_told = false;
    sleep(PATIENCE).await;
    loop {
        let workers = match store.dated_workers::<WorkerStatus>().await {
            Ok(workers) => workers.into_iter().filter_map(|(_, worker)| worker.ok()).collect(),
            Err(_) => Vec::new(),
        };
        match (worker_of(&workers, pool, now_ms()), is_told) {
            (Some(name), true) => return terminal::note(format_args!("a worker is there: {name}")),
            (Some(_), false) => return,
            (None, false) => {
                is_told = true;
                terminal::note(format_args!(
                    "no worker of the pool `{pool}` is there yet; the jobs wait. Start one with the same queue and store: \
                     bowline worker --pool {pool}"
                ));
            }
            (None, true) => {}
        }
        sleep(INTERVAL).await;
    }
}

/// A live worker of the pool. Older programs did not record their pool.
fn worker_of(workers: &[Dated<WorkerStatus>], pool: &str, now_ms: u64) -> Option<String> {
    let is_there = |dated: &&Dated<WorkerStatus>| {
        let worker = &dated.content;
        let is_of_pool = worker.pool.as_deref().is_none_or(|own| own == pool);
        is_of_pool && !worker.is_local && dated.age(worker.beat_ms, now_ms) < ALIVE_WITHIN
    };
    workers.iter().find(is_there).map(|dated| dated.content.worker.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(pool: Option<&str>, is_local: bool, beat_ms: u64) -> Dated<WorkerStatus> {
        let mut content = WorkerStatus::fresh("gpu-1", "cpu", 0);
        content.pool = pool.map(str::to_owned);
        content.is_local = is_local;
        content.beat_ms = beat_ms;
        Dated { content, written: None }
    }

    #[test]
    fn only_a_live_worker_of_the_pool_is_there() {
        let now = 1_000_000;
        let found = |worker| worker_of(&[worker], "default", now);
        assert_eq!(found(worker(Some("default"), false, now - 10_000)).as_deref(), Some("gpu-1"));
        assert_eq!(found(worker(None, false, now - 10_000)).as_deref(), Some("gpu-1"));
        assert_eq!(found(worker(Some("a40"), false, now - 10_000)), None);
        assert_eq!(found(worker(Some("default"), true, now - 10_000)), None);
        assert_eq!(found(worker(Some("default"), false, now - 70_000)), None);
        assert_eq!(worker_of(&[], "default", now), None);
    }
}
