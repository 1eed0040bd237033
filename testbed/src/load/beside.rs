use crate::{CoordinatorSpec, Coordinators, Failure, WorkerFleet, WorkerSpec};
use jobs::WorkerStatus;
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};
use store::Store;
use tokio::time::{sleep, timeout};

/// A small sweep that runs beside a large one.
#[derive(Debug, Clone)]
pub struct BesideSpec {
    /// The workers of both sweeps.
    pub worker: WorkerSpec,
    /// How many of them.
    pub workers: usize,
    /// The coordinator of the large sweep, if there is one.
    pub large: Option<CoordinatorSpec>,
    /// The coordinator of the small sweep.
    pub small: CoordinatorSpec,
    /// The longest that it may take.
    pub limit: Duration,
}

/// Results of the large sweep that are stored before the small sweep starts: the workers are busy by then.
const BUSY: usize = 30;

/// The time between two looks into the store.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Runs the small sweep to its end while the large one runs, and returns how long the small one took. The large sweep
/// ends with it.
///
/// # Errors
/// A process cannot be started, or the limit is reached.
pub async fn beside(spec: BesideSpec) -> Result<Duration, Failure> {
    let store = spec.worker.cluster.store().await?;
    let fleet = WorkerFleet::start(spec.worker, spec.workers)?;
    let large = spec.large.map(Coordinators::start).transpose()?;
    let measuring = async {
        // Their start is no part of the sweep, with or without a large one.
        wait_for_workers(&store, spec.workers).await?;
        if large.is_some() {
            wait_for_results(&store, BUSY).await?;
        }
        let start = Instant::now();
        Coordinators::start(spec.small)?.finish().await?;
        Ok::<_, Failure>(start.elapsed())
    };
    let bounded = async { timeout(spec.limit, measuring).await.map_err(|_| "the small sweep did not finish in time")? };
    let supervising = async {
        match &large {
            Some(large) => tokio::select! {
                never = fleet.supervise() => never,
                ended = large.finish() => Err(ended.err().unwrap_or_else(|| "the large sweep ended too early".into())),
            },
            None => fleet.supervise().await,
        }
    };
    tokio::select! {
        took = bounded => took,
        never = supervising => match never? as Infallible {},
    }
}

async fn wait_for_workers(store: &Store, count: usize) -> Result<(), Failure> {
    while store.dated_workers::<WorkerStatus>().await?.len() < count {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

async fn wait_for_results(store: &Store, count: usize) -> Result<(), Failure> {
    while store.jobs_with_results().await?.len() < count {
        sleep(POLL_INTERVAL).await;
    }
    Ok(())
}
