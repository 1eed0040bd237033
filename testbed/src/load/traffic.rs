use super::{cpu_time_of, memory_of};
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
    /// The processor time that the coordinator used.
    pub coordinator_cpu: Duration,
    /// The processor time that the broker used.
    pub broker_cpu: Duration,
    /// The processor time that all workers used together.
    pub workers_cpu: Duration,
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
    let broker_cpu = || spec.broker.map(cpu_time_of).unwrap_or_default();
    let broker_before = broker_cpu();
    let mut samples = every(SAMPLES);
    let watching = async {
        loop {
            samples.tick().await;
            let pid = coordinators.pids().first().copied();
            traffic.coordinator_bytes.extend(pid.map(|pid| memory_of(pid).resident_bytes));
            traffic.broker_bytes.extend(spec.broker.map(|pid| memory_of(pid).resident_bytes));
            // The last sample before its end counts.
            traffic.coordinator_cpu = pid.map_or(traffic.coordinator_cpu, cpu_time_of);
        }
    };
    let finished = tokio::select! {
        finished = timeout(spec.limit, coordinators.finish()) => finished.ok().transpose()?,
        never = watching => never,
        never = fleet.supervise() => match never? {},
    };
    traffic.took = start.elapsed();
    traffic.is_finished = finished.is_some();
    traffic.broker_cpu = broker_cpu().saturating_sub(broker_before);
    traffic.workers_cpu = fleet.pids().into_iter().map(cpu_time_of).sum();
    Ok(traffic)
}

fn every(time: Duration) -> Interval {
    let mut interval = interval(time);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
