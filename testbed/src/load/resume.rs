use super::{Memory, memory_of};
use crate::{
    Failure,
    sim::{SweepSpec, computed},
};
use coordinator::{Completion, NextJobs, OUTCOME, Retry, Survey, SweepPlan, survey};
use jobs::{Job, JobResult, RunFacts};
use std::{
    collections::BTreeMap,
    process,
    time::{Duration, Instant},
};
use store::{Revision, Store};

/// How results are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Stored {
    /// Each in an object of its own.
    Objects,
    /// In compacted parts.
    Parts,
}

/// The cost of a survey of a sweep.
#[derive(Debug, Clone, Copy)]
pub struct Resumed {
    /// The number of stored results.
    pub survey: Survey,
    /// How long it took.
    pub took: Duration,
    /// The memory of this process afterwards.
    pub memory: Memory,
}

/// Results in a part.
const PART: usize = 5_000;

/// Stores results of the first `done` jobs of a sweep, and its outcome if it has no more jobs.
///
/// # Errors
/// The store cannot be written.
pub async fn prepare(store: &Store, sweep: &SweepSpec, done: usize, stored: Stored) -> Result<(), Failure> {
    let frozen = sweep.frozen()?;
    let manifest = frozen.manifest(BTreeMap::new());
    let mut plan = SweepPlan::new(frozen)?;
    let mut left = done;
    while left > 0 {
        let wanted = match plan.next(left.min(PART))? {
            NextJobs::Publish(wanted) => wanted,
            NextJobs::Finished(outcome) => {
                let _put = store.put_manifest(&sweep.sweep, &manifest).await?;
                return Ok(store.put_document(&sweep.sweep, OUTCOME, &outcome).await?);
            }
            NextJobs::Wait => return Err("the sweep waits for answers that it has".into()),
        };
        left -= wanted.len();
        let results: Vec<JobResult> = wanted.iter().map(|wanted| result(&wanted.job)).collect();
        for result in &results {
            plan.record(result.job, Completion::Result(result))?;
        }
        match stored {
            Stored::Parts => drop(store.put_part(Revision::first(&sweep.sweep), results).await?),
            Stored::Objects => {
                for result in &results {
                    let _put = store.put_result(result).await?;
                }
            }
        }
    }
    Ok(())
}

/// Surveys a sweep as a starting coordinator does, up to the first job that it would publish.
///
/// # Errors
/// The store cannot be read.
pub async fn resumed(store: &Store, sweep: &SweepSpec) -> Result<Resumed, Failure> {
    let frozen = sweep.frozen()?;
    let start = Instant::now();
    let resume = survey(&frozen, store, Retry::Machines).await?;
    Ok(Resumed { survey: resume.survey, took: start.elapsed(), memory: memory_of(process::id()) })
}

fn result(job: &Job) -> JobResult {
    let worker::Computed { output, timings, commits } = computed(job);
    let worker::Scores { scores, merge } = output.scores().expect("simulated jobs come to scores");
    let run = RunFacts {
        worker: "prepared".to_owned(),
        attempt: 1,
        device: "simulated".to_owned(),
        versions: BTreeMap::new(),
        commits,
        finished_ms: 0,
    };
    let meaning = job.spec().as_evaluation().expect("simulated sweeps evaluate").clone();
    JobResult { job: job.id(), meaning, scores, merge, timings, run }
}
