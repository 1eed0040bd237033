//! What is known of a delivery when the [decision](super::decision) about it is made.

use super::unable::Unable;
use crate::{limits::Limits, machine::Trial};
use jobs::{Cancellation, Job, JobId, WorkerStatus};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use store::StoreError;

/// A fact that may not have been read yet.
#[derive(Debug, Default)]
pub(super) enum Fact<T> {
    #[default]
    Unread,
    Read(T),
}

/// What the store holds under the key of the job's output.
#[derive(Debug)]
pub(super) enum StoredOutput {
    Absent,
    /// It is there, possibly written by another version of the program.
    Present,
    /// The object is no output of this job.
    Corrupt(Arc<StoreError>),
}

/// The heartbeat of a worker, as the store holds it.
#[derive(Debug, Clone)]
pub(super) struct WorkerSeen {
    pub(super) status: WorkerStatus,
    /// The age of the heartbeat by the store's clock.
    pub(super) age: Duration,
}

/// The worker that decides, and the machine that it runs on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Me<'a> {
    pub(super) worker: &'a str,
    /// `None` if there are no other machines.
    pub(super) machine: Option<&'a str>,
    pub(super) pool: Option<&'a str>,
    pub(super) limits: &'a Limits,
}

/// What a worker has to be able to do for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) job: JobId,
    pub(super) runs_command: bool,
}

impl Wanted {
    pub(super) fn of(job: &Job) -> Self {
        let evaluation = job.spec().as_evaluation();
        Self { job: job.id(), runs_command: evaluation.is_some_and(|meaning| meaning.benchmark.command().is_some()) }
    }
}

/// What is known of a delivery. Reads cost requests, so a fact is read only if the decision depends on it.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) wanted: Wanted,
    /// The number of this attempt, from 1.
    pub(super) attempt: u32,
    /// How many workers took the job and did not settle it.
    pub(super) losses: u32,
    /// Why this worker leaves the job to others, if it does.
    pub(super) unable: Option<Unable>,
    pub(super) cancellation: Fact<Option<Cancellation>>,
    /// Whether the store holds the sweep of the job.
    pub(super) has_sweep: Fact<bool>,
    pub(super) output: Fact<StoredOutput>,
    /// The machines on which attempts failed for reasons of the machine, and when each one did first.
    pub(super) failed_on: Fact<BTreeMap<String, u64>>,
    /// The machines that started the job after it was lost.
    pub(super) trials: Fact<BTreeMap<String, Trial>>,
    /// All workers with a heartbeat; `None` if the store did not list them.
    pub(super) workers: Fact<Option<Vec<WorkerSeen>>>,
    /// The time now: milliseconds since 1970, by the clock of this machine.
    pub(super) now_ms: u64,
}
