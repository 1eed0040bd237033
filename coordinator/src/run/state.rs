mod action;
mod completion;
mod events;
mod limits;
mod speculation;
#[cfg(test)]
mod tests;

pub(super) use action::{Action, Preparation, Publication};

use super::{
    circuit_breaker::CircuitBreaker,
    fleet::WorkerFleet,
    liveness::WorkerLiveness,
    outstanding::Outstanding,
    progress::{Beginning, ProgressTracker},
    settings::Settings,
};
use crate::{
    CoordinatorError, Counts, Event, Frozen, NextJobs, Phase, PlannedJob, Resume, SweepPlan,
    clock::Now,
    lookup::{Found, JobRef},
    resume::EarlierFailure,
};
use jobs::{Cancellation, ExampleCounts, JobId, JobResult, Progress, WorkerStatus};
use limits::{Usage, early_end};
use speculation::{SeenWorkers, Speculation, Unadopted};
use std::{
    collections::{BTreeSet, HashSet},
    time::Duration,
};
use store::{Dated, StoreError};
use tokio::time::Instant;

/// The number of jobs that are kept outstanding for each live worker.
const PER_WORKER: usize = 4;

/// The status documents of workers, by name, as the store returns them.
pub(super) type WorkerStatuses = Vec<(String, Result<Dated<WorkerStatus>, StoreError>)>;

/// What a run knows, and what it decides from that. No I/O, and no clock: the time is an argument.
///
/// The shell executes the decisions and reports what it found. Events and results collect here until it takes them.
#[derive(Debug)]
pub(super) struct RunState {
    settings: Settings,
    plan: SweepPlan,
    outstanding: Outstanding,
    speculation: Speculation,
    workers: SeenWorkers,
    progress: ProgressTracker,
    breaker: CircuitBreaker,
    liveness: WorkerLiveness,
    fleet: WorkerFleet,
    /// The largest number of outstanding jobs.
    window: usize,
    started: Instant,
    /// The mark that cancels the revision.
    cancellation: Option<Cancellation>,
    /// The searches were ended early.
    ends_early: bool,
    /// The sizes of data by the results so far.
    examples: ExampleCounts,
    /// Jobs whose corrupt result was removed. A second corrupt result of the same job is a failure.
    repaired: HashSet<JobId>,
    /// Failures before this run, which are not reported yet.
    earlier_failures: Vec<EarlierFailure>,
    events: Vec<Event>,
    new_results: Vec<JobResult>,
}

impl RunState {
    /// The state at the beginning of a run.
    pub(super) fn new(
        settings: &Settings,
        frozen: &Frozen,
        resume: Resume,
        now: Now,
    ) -> Result<Self, CoordinatorError> {
        let Resume { survey, results, failed, examples, corrupt, .. } = resume;
        let mut breaker = CircuitBreaker::new(frozen, settings.failure_streak);
        // A corrupt stored result says nothing about what its job would produce.
        for failure in failed.iter().filter(|failure| !corrupt.contains(&failure.job)) {
            breaker.base_failed(&failure.job, &failure.errors);
        }
        let counts = Counts { run: 0, reused: survey.stored, failed: survey.failed };
        let objective = frozen.sweep().objective.clone();
        let beginning = Beginning { pool: settings.pool.clone(), bound: survey.bound, counts, objective };
        let mut plan = SweepPlan::with_results(frozen.clone(), results)?;
        if settings.writes {
            plan = plan.writing_winner();
        }
        if settings.finish {
            plan.end_early();
        }
        Ok(Self {
            settings: settings.clone(),
            plan,
            outstanding: Outstanding::default(),
            speculation: Speculation::default(),
            workers: SeenWorkers::default(),
            progress: ProgressTracker::new(beginning, now),
            breaker,
            liveness: WorkerLiveness::default(),
            fleet: WorkerFleet::new(settings.pool.clone()),
            window: settings.window.max(1),
            started: now.instant,
            cancellation: None,
            ends_early: settings.finish,
            examples,
            repaired: HashSet::new(),
            earlier_failures: failed,
            events: Vec::new(),
            new_results: Vec::new(),
        })
    }

    /// The next action.
    ///
    /// # Errors
    /// As [`SweepPlan::next`].
    pub(super) fn next_action(&mut self, now: Instant) -> Result<Action, CoordinatorError> {
        if let Some(ended) = early_end(&self.settings, self.usage(now)) {
            return Ok(Action::End(ended));
        }
        // Jobs that were published ahead take no room from those that are needed.
        let needed = self.outstanding.len() - self.speculation.open();
        let room = self.window.saturating_sub(needed);
        // With a limit of 0 the plan issues nothing, and might look finished.
        if room == 0 {
            return Ok(Action::Wait);
        }
        let next = self.plan.next(room)?;
        let is_at_end = match &next {
            // Only the winner is left. The winner is unknown while results contradict each other.
            NextJobs::Publish(jobs) => jobs.iter().all(|job| job.phase == Phase::Write),
            NextJobs::Finished(_) => true,
            NextJobs::Wait => false,
        };
        if is_at_end && !self.examples.agree() {
            return Ok(Action::ReadAgain);
        }
        Ok(match next {
            NextJobs::Publish(jobs) => Action::Start(jobs),
            NextJobs::Wait => {
                let ahead = self.jobs_ahead()?;
                if ahead.is_empty() { Action::Wait } else { Action::StartAhead(ahead) }
            }
            NextJobs::Finished(outcome) => Action::Finish(outcome),
        })
    }

    fn usage(&self, now: Instant) -> Usage<'_> {
        Usage {
            is_cancelled: self.cancellation.is_some(),
            failed: self.progress.counts.failed,
            elapsed: now.duration_since(self.started),
            device_time: self.device_time(),
            breaker: self.breaker.reason(),
        }
    }

    /// The device time of the sweep's jobs, with those that were computed ahead.
    fn device_time(&self) -> Duration {
        let unused = Duration::try_from_secs_f64(self.speculation.unused_s()).unwrap_or_default();
        self.progress.device_time() + unused
    }

    /// Decides about a job that was looked up before publishing: it is published, or it has ended.
    ///
    /// # Errors
    /// As [`SweepPlan::record`].
    pub(super) fn start(&mut self, job: PlannedJob, found: Found) -> Result<Option<Publication>, CoordinatorError> {
        let Some(Unadopted { job, found }) = self.adopt(job, found)? else { return Ok(None) };
        let preparation = match found {
            Found::Nothing => Preparation::Nothing,
            Found::Failed(failed) if self.settings.retry.covers(&failed) => Preparation::ClearFailures,
            Found::Corrupt(_) if self.settings.repair && self.repaired.insert(job.id) => Preparation::RemoveCorrupt,
            found => {
                self.complete(job, found, true)?;
                return Ok(None);
            }
        };
        Ok(Some(Publication { job, preparation }))
    }

    /// A job was published.
    pub(super) fn published(&mut self, job: PlannedJob) {
        if !self.speculation.is_open(&job.id) {
            self.announce(&job);
        }
        self.outstanding.insert(job);
    }

    /// Reports that a job is published which the plan has asked for.
    fn announce(&mut self, job: &PlannedJob) {
        // Phases overlap. The phase of a run never goes back.
        if self.progress.phase.is_none_or(|current| current < job.phase) {
            self.progress.phase = Some(job.phase);
            self.emit(Event::Phase(job.phase));
        }
        if !job.is_slice() {
            self.emit(Event::Published { job: job.id, label: job.label.clone() });
        }
    }

    /// The announced jobs that are outstanding. Jobs of other sweeps are announced as well.
    pub(super) fn outstanding_of(&self, announced: Vec<JobId>) -> Vec<JobRef> {
        let announced: BTreeSet<JobId> = announced.into_iter().collect();
        announced.iter().filter_map(|id| self.outstanding.job_ref_of(id)).collect()
    }

    /// All outstanding jobs.
    pub(super) fn all_outstanding(&self) -> Vec<JobRef> {
        self.outstanding.job_refs()
    }

    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Records what the store holds of an outstanding job.
    ///
    /// # Errors
    /// As [`SweepPlan::record`].
    pub(super) fn settle(&mut self, id: JobId, found: Found) -> Result<(), CoordinatorError> {
        if matches!(found, Found::Nothing) {
            return Ok(());
        }
        match self.outstanding.remove(&id) {
            Some(job) if self.speculation.is_open(&id) => {
                self.settle_ahead(&job, &found);
                Ok(())
            }
            Some(job) => self.complete(job, found, false),
            None => Ok(()),
        }
    }

    /// The jobs to publish again, because neither the queue nor a worker has them.
    pub(super) fn lost(&mut self, queue_is_empty: bool, workers: WorkerStatuses, now: Now) -> Vec<PlannedJob> {
        if !queue_is_empty {
            self.outstanding.queue_has_jobs();
        }
        let alive = self.liveness.alive(workers, now);
        self.outstanding.lost(&alive, queue_is_empty, self.settings.lost_after, now.instant)
    }

    /// Adapts the window to the live workers. Returns a warning if none of them takes the jobs.
    pub(super) fn observe_workers(&mut self, workers: WorkerStatuses, now: Now) -> Option<String> {
        let alive = self.liveness.alive(workers, now);
        let able = self.fleet.able(&alive);
        self.window = self.settings.window.max(able.len() * PER_WORKER).max(1);
        self.workers = SeenWorkers::new(&able);
        self.fleet.warning(&alive, self.outstanding.len(), now.instant)
    }

    /// The run belongs to this revision.
    pub(super) fn set_revision(&mut self, number: u32) {
        self.progress.revision = number;
    }

    pub(super) fn revision(&self) -> u32 {
        self.progress.revision
    }

    pub(super) fn counts(&self) -> Counts {
        self.progress.counts
    }

    /// The progress document at this time.
    pub(super) fn progress(&mut self, ended: Option<String>, now: Now) -> Progress {
        let progress = self.progress.progress(self.outstanding.len(), ended, now);
        Progress { device_s: progress.device_s + self.speculation.unused_s(), ..progress }
    }

    /// An earlier run of the sweep stored this progress.
    pub(super) fn resume_from(&mut self, earlier: &Progress) {
        self.progress.resume_from(earlier);
    }

    /// The store has this mark, or none.
    pub(super) fn set_cancellation(&mut self, mark: Option<Cancellation>) {
        self.cancellation = mark;
    }

    pub(super) fn ends_early(&self) -> bool {
        self.ends_early
    }

    /// Ends the searches, each with the best of the known points.
    pub(super) fn end_searches(&mut self) {
        self.ends_early = true;
        let ahead = self.speculation.take_open();
        for job in self.plan.end_early().into_iter().chain(ahead) {
            self.outstanding.remove(&job);
        }
    }

    pub(super) fn examples(&self) -> &ExampleCounts {
        &self.examples
    }

    /// Continues with what the store was found to hold when the sweep was read again.
    ///
    /// # Errors
    /// As [`SweepPlan::new`].
    pub(super) fn replace_results(&mut self, frozen: &Frozen, resume: Resume) -> Result<(), CoordinatorError> {
        let Resume { survey, results, failed, examples, corrupt, .. } = resume;
        let mut plan = SweepPlan::with_results(frozen.clone(), results)?.continuing(&self.plan);
        if self.settings.writes {
            plan = plan.writing_winner();
        }
        if self.ends_early {
            plan.end_early();
        }
        self.plan = plan;
        self.examples = examples;
        self.progress.counts.failed = survey.failed;
        // The other failures were reported before.
        self.report(failed.into_iter().filter(|failure| corrupt.contains(&failure.job)));
        Ok(())
    }
}
