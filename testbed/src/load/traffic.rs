use super::memory_of;
use crate::{CoordinatorSpec, Coordinators, Failure, WorkerFleet, WorkerSpec};
use std::time::{Duration, Instant};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// A sweep whose processes are measured while it runs.
#[derive(Debug, Clone)]
pub struct TrafficSpec {
    /// The workers.
    pub worker: WorkerSpec,
    /// How many of them.
    pub workers: usize,
    /// The coordinator.
    pub coordinator: CoordinatorSpec,
    /// The broker's process, if it can be watched.
    pub broker: Option<u32>,
    /// The longest that it may take.
    pub limit: Duration,
}

/// The measurements of a sweep.
#[derive(Debug, Clone, Default)]
pub struct Traffic {
    /// From the start of the coordinator to the sweep's end, or to the limit.
    pub took: Duration,
    /// Whether it finished.
    pub is_finished: bool,
    /// The coordinator's resident memory over time, in bytes.
    pub coordinator_bytes: Vec<u64>,
    /// The broker's.
    pub broker_bytes: Vec<u64>,
}

/// How often memory is read.
const SAMPLES: Duration = Duration::from_secs(1);

/// Runs a sweep to its end, or to its limit.
///
/// # Errors
/// A process cannot be started.
pub async fn traffic(spec: TrafficSpec) -> Result<Traffic, Failure> {
    let fleet = WorkerFleet::start(spec.worker, spec.workers)?;
    let start = Instant::now();
    let coordinators = Coordinators::start(spec.coordinator)?;
    let mut traffic = Traffic::default();
    let mut samples = every(SAMPLES);
    let watching = async {
        loop {
            samples.tick().await;
            let pid = coordinators.pids().first().copied();
            traffic.coordinator_bytes.extend(pid.map(|pid| memory_of(pid).resident_bytes));
            traffic.broker_bytes.extend(spec.broker.map(|pid| memory_of(pid).resident_bytes));
        }
    };
    let finished = tokio::select! {
        finished = timeout(spec.limit, coordinators.finish()) => finished.ok().transpose()?,
        never = watching => never,
        never = fleet.supervise() => match never? {},
    };
    (traffic.took, traffic.is_finished) = (start.elapsed(), finished.is_some());
    Ok(traffic)
}

fn every(time: Duration) -> Interval {
    let mut interval = interval(time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
