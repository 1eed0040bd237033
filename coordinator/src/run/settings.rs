use crate::Retry;
use std::{collections::BTreeMap, time::Duration};

/// The number of jobs in a row that may fail for the same reason before a run ends, unless a setting changes it.
pub const DEFAULT_FAILURE_STREAK: u64 = 20;

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The largest number of outstanding jobs; at least 1. It grows to four for each worker that takes the jobs.
    pub window: usize,
    /// How often the store is asked for jobs whose end was not announced.
    pub poll: Duration,
    /// How often the coordinator stores its progress, and checks whether the sweep was cancelled.
    pub tick: Duration,
    /// How long a job must be missing from the queue and from all workers before it counts as lost and is published
    /// again.
    pub lost_after: Duration,
    /// The earlier failures whose jobs are published again, instead of counting as failed.
    pub retry: Retry,
    /// Set corrupt results aside and publish their jobs again, instead of counting them as failed.
    pub repair: bool,
    /// The number of jobs in a row that may fail for the same reason before the run ends. With a limit, a failure of
    /// the base model ends the run at once. `None` never ends it.
    pub failure_streak: Option<u64>,
    /// End the searches now, with the best of the known points.
    pub finish: bool,
    /// The longest time of the run. `None` for no limit.
    pub max_time: Option<Duration>,
    /// The most device time of all jobs of the sweep, in all runs that waited for them. `None` for no limit.
    pub max_device_time: Option<Duration>,
    /// The number of jobs that may fail; one more ends the run. `None` for no limit.
    pub max_failures: Option<u64>,
    /// Versions of the programs involved, for the manifest.
    pub versions: BTreeMap<String, String>,
    /// The pool whose workers receive the jobs; `None` if they are computed in this process.
    pub pool: Option<String>,
    /// Write the winner at the end as an artefact, if an adapter can hold it.
    pub writes: bool,
    /// Workers of the pool take jobs of the sweep with the highest priority first.
    pub priority: i32,
    /// The largest number of workers of the pool that take jobs of the sweep at a time; `None` for all.
    pub max_workers: Option<u32>,
    /// Whether the store keeps documents of the sweep: manifest, progress and outcome. Without them, the sweep
    /// cannot be followed or cancelled. Its results are stored in any case.
    pub is_kept: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: 64,
            poll: Duration::from_secs(2),
            tick: Duration::from_secs(5),
            lost_after: Duration::from_secs(120),
            retry: Retry::default(),
            repair: false,
            failure_streak: Some(DEFAULT_FAILURE_STREAK),
            finish: false,
            max_time: None,
            max_device_time: None,
            max_failures: None,
            versions: BTreeMap::new(),
            pool: None,
            writes: false,
            priority: 0,
            max_workers: None,
            is_kept: true,
        }
    }
}
