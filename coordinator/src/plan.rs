mod baselines;
mod best;
mod bound;
mod issued;
mod job;
mod known;
mod learned;
mod outcome;
mod pending;
mod phases;
mod races;
mod replicates;
mod results;
mod searches;
mod subsets;
#[cfg(test)]
mod tests;
mod training;
mod winner;

pub use bound::bound;
pub use job::{Completion, Loaded, NextJobs, Phase, PlannedJob, Recorded};
pub use results::KnownResults;

use crate::{CoordinatorError, Frozen};
use baselines::{FixedRecipe, baselines};
use bound::bound_of;
use issued::IssuedJobs;
use jobs::{Blame, JobId, JobResult, Outcome, Subject, WeakAdapter};
use known::Known;
use outcome::OutcomeTable;
use pending::PendingJob;
use phases::{
    Needs, PendingJobs, baseline_jobs, learned_jobs, reference_jobs, report_jobs, statistics_jobs, subset_jobs,
    train_jobs,
};
use results::JobStatus;
use searches::{Issue, Searches};
use std::collections::{HashSet, VecDeque};
use subsets::TaskSubsets;
use winner::write_job;

/// The plan of a sweep: the jobs that it needs next, as a function of the results so far.
///
/// It does no I/O and reads no clock. A new plan that records the same results issues the same jobs and ends with the
/// same [`Outcome`], in whatever order the results arrive. The phases overlap if nothing forbids it, so that workers
/// do not idle during a linear search:
///
/// 1. the base model and each adapter alone, on the selection split; beside these, the adapters that the sweep trains, the
///    statistics that recipes merge by, and the coefficients that are learned. What needs an adapter waits for its training;
/// 2. the searches and the baselines. If the metric is normalised, they wait for the accuracies of the adapters, and if a recipe merges by
///    statistics, for those;
/// 3. once all searches have chosen, the report split: the chosen recipes, baselines, base model and adapters;
///    Beside it, the chosen recipes for subsets of the tasks, if the sweep asks for these;
/// 4. once everything is evaluated, the winner is written, if [`writing_winner`](Self::writing_winner) asked for it.
///
/// `plan/phases.rs` says what each phase waits for. A pending job says which artefacts of other jobs it waits for.
///
/// A job that several phases need is issued once.
#[derive(Debug)]
pub struct SweepPlan {
    known: Known,
    searches: Searches,
    baselines: Vec<FixedRecipe>,
    subsets: TaskSubsets,
    pending: PendingJobs,
    issued: IssuedJobs,
    writes_winner: bool,
    /// Tasks whose adapters were reported as weak.
    reported_weak: HashSet<String>,
}

impl SweepPlan {
    /// The beginning of the sweep.
    ///
    /// # Errors
    /// Parameters that the method does not accept; recipes that describe no merge.
    pub fn new(frozen: Frozen) -> Result<Self, CoordinatorError> {
        Self::with_results(frozen, KnownResults::default())
    }

    /// The plan of a sweep of which an earlier plan knew `results`. It does not issue the jobs of these results.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_results(frozen: Frozen, results: KnownResults) -> Result<Self, CoordinatorError> {
        let searches = Searches::new(frozen.sweep())?;
        let baselines = baselines(frozen.sweep())?;
        let subsets = TaskSubsets::of(frozen.sweep());
        Ok(Self {
            known: Known::new(frozen, results),
            searches,
            baselines,
            subsets,
            pending: PendingJobs::default(),
            issued: IssuedJobs::default(),
            writes_winner: false,
            reported_weak: HashSet::new(),
        })
    }

    /// The same plan, which writes the winner at the end.
    #[must_use]
    pub fn writing_winner(self) -> Self {
        Self { writes_winner: true, ..self }
    }

    /// The same plan, which does not report the weak adapters that `earlier`, a plan of the same sweep, has reported.
    pub(crate) fn continuing(self, earlier: &Self) -> Self {
        Self { reported_weak: earlier.reported_weak.clone(), ..self }
    }

    /// The largest number of jobs that the sweep may need.
    pub fn bound(&self) -> u64 {
        bound_of(self.known.frozen.sweep(), &self.searches).saturating_add(self.known.other_statistics())
    }

    /// Whether an issued job writes an artefact, and does not evaluate.
    pub(crate) fn is_write(&self, id: &JobId) -> bool {
        self.issued.is_write(id)
    }

    /// The next jobs, at most `limit`.
    ///
    /// # Errors
    /// A search that cannot continue, or a metric that cannot be computed since an adapter's own accuracy is missing.
    pub fn next(&mut self, limit: usize) -> Result<NextJobs, CoordinatorError> {
        let jobs = self.issue(limit)?;
        if !jobs.is_empty() {
            return Ok(NextJobs::Publish(jobs));
        }
        if self.is_over() {
            return Ok(NextJobs::Finished(Box::new(self.outcome()?)));
        }
        Ok(NextJobs::Wait)
    }

    /// Records how an issued job ended. A second completion of the same job changes nothing.
    ///
    /// # Errors
    /// A result of a search point without a value of the metric.
    pub fn record(&mut self, id: JobId, completion: Completion<'_>) -> Result<Recorded, CoordinatorError> {
        if !self.issued.contains(&id) || self.known.status(&id).is_some() {
            return Ok(Recorded::default());
        }
        let is_slice = matches!(completion, Completion::Result(result) if result.meaning.slice.is_some());
        let status = match completion {
            Completion::Result(result) => self.known.read(result),
            Completion::Artefact(result) => self.known.read_artefact(result),
            Completion::Failed { blame: Some(Blame::Job), .. } => JobStatus::Failed,
            // A failure that may be the machine's says nothing about the recipe.
            Completion::Failed { blame: Some(Blame::Machine) | None, .. } => JobStatus::Missing,
        };
        let points = self.issued.take_requests(&id);
        let value = match status {
            JobStatus::Done(None) if !points.is_empty() && !is_slice => return Err(self.known.no_value(id)),
            JobStatus::Done(value) => value,
            JobStatus::Failed | JobStatus::Missing => None,
        };
        // Errors of search points are not kept: a million of them would take too much memory.
        if let Completion::Failed { errors, .. } = completion
            && points.is_empty()
        {
            self.known.set_errors(id, errors);
        }
        self.known.set_status(id, status);
        self.issued.complete(&id);
        let mut recorded = Recorded { value, best_of: None };
        // If several searches wait for the same point, the first one is named.
        if let (Some(value), Some(point)) = (value, points.into_iter().next())
            && let Some(value) = self.searches.point_value(&self.known, &point, value)
            && self.searches.improve_best(&self.known, value)
        {
            recorded.best_of = Some((self.searches.name(point.search).to_owned(), point.spec));
        }
        Ok(recorded)
    }

    /// Records a stored result of the sweep before its job is issued.
    pub fn load(&mut self, result: &JobResult) -> Loaded {
        if self.issued.contains(&result.job) || self.known.status(&result.job).is_some() {
            return Loaded::Known;
        }
        // The accuracy of another adapter, or on other data, must not become a denominator of this sweep.
        if !self.known.has_inputs_of(&result.meaning) {
            return Loaded::OtherInputs;
        }
        let status = self.known.read(result);
        let is_whole_merge = result.meaning.slice.is_none() && matches!(result.meaning.subject, Subject::Merge { .. });
        if status == JobStatus::Done(None) && is_whole_merge {
            return Loaded::TooEarly;
        }
        self.known.set_status(result.job, status);
        Loaded::New
    }

    /// Forgets who requested this job. The job stays issued.
    ///
    /// A survey calls this for each job without a result. The recipes of a million requested points would be most of
    /// the memory of a plan.
    pub(crate) fn forget_requester(&mut self, id: &JobId) {
        self.issued.take_requests(id);
    }

    /// Ends the searches, each with the best of the known points. Returns the points that the plan does not wait for
    /// any more.
    pub fn end_early(&mut self) -> Vec<JobId> {
        self.searches.end_early();
        self.issued.abandon_requests()
    }

    /// The adapters that are worse on their own task than the base model. Each is returned once, by the first call
    /// after this is known. If the metric is normalised, that is before the first search point is issued.
    pub fn newly_weak(&mut self) -> Vec<WeakAdapter> {
        let weak = self.known.weak_adapters().into_iter();
        weak.filter(|adapter| self.reported_weak.insert(adapter.task.clone())).collect()
    }

    /// The known results, for another plan of the same sweep.
    #[must_use]
    pub fn into_results(self) -> KnownResults {
        self.known.into_results()
    }

    /// The outcome so far. A search that is not over chooses among the known points. Jobs without a result are missing
    /// in the rows.
    ///
    /// # Errors
    /// A search that combines values that describe no merge.
    pub fn so_far(&self) -> Result<Outcome, CoordinatorError> {
        self.table().outcome(&self.searches.choices_so_far(&self.known)?)
    }

    /// The outcome for the choices that the searches have made.
    fn outcome(&self) -> Result<Outcome, CoordinatorError> {
        self.table().outcome(&self.searches.choices())
    }

    fn table(&self) -> OutcomeTable<'_> {
        OutcomeTable {
            known: &self.known,
            searches: &self.searches,
            baselines: &self.baselines,
            subsets: &self.subsets,
        }
    }

    /// Issues the jobs of all phases that are ready, at most `limit`.
    fn issue(&mut self, limit: usize) -> Result<Vec<PlannedJob>, CoordinatorError> {
        let mut jobs = Vec::new();
        for phase in Phase::ALL {
            if !self.has(phase.needs())? {
                continue;
            }
            if phase == Phase::Search {
                self.issue_points(&mut jobs, limit)?;
                continue;
            }
            if !self.pending.has_begun(phase) {
                let pending = self.pending_jobs(phase)?;
                self.pending.begin(phase, pending);
            }
            self.pending.issue(phase, &mut self.known, &mut self.issued, &mut jobs, limit);
        }
        Ok(jobs)
    }

    /// Issues points of the searches. A point that can never be evaluated ends at once, and its search goes on.
    fn issue_points(&mut self, jobs: &mut Vec<PlannedJob>, limit: usize) -> Result<(), CoordinatorError> {
        loop {
            let mut lost = Vec::new();
            let issued = &mut self.issued;
            self.searches.issue(Issue { known: &self.known, issued, jobs, limit, lost: &mut lost })?;
            self.searches.settle(&mut self.known);
            if lost.is_empty() {
                return Ok(());
            }
            lost.into_iter().for_each(|(id, status)| self.known.set_status(id, status));
        }
    }

    fn has(&mut self, needs: Needs) -> Result<bool, CoordinatorError> {
        match needs {
            Needs::Nothing => Ok(true),
            // Both are asked: what can never be known is an error, whatever else is missing.
            Needs::Grounds => {
                // What a failed training leads to is no cause.
                Ok(self.known.has_adapters()?
                    & self.known.has_denominators()?
                    & self.known.has_statistics()?
                    & self.known.has_sizes())
            }
            Needs::Coefficients => Ok(self.has(Needs::Grounds)? && self.known.has_learned()),
            Needs::Choices => Ok(self.has(Needs::Coefficients)? && self.searches.have_chosen()),
            Needs::Seeds => {
                Ok(self.has(Needs::Choices)? && self.baselines.iter().all(|baseline| baseline.is_known(&self.known)))
            }
            Needs::Evaluations => Ok(self.is_evaluated()),
        }
    }

    /// The jobs of a phase that begins. Search points depend on each other, so that searches have no pending jobs.
    fn pending_jobs(&self, phase: Phase) -> Result<VecDeque<PendingJob>, CoordinatorError> {
        Ok(match phase {
            Phase::Train => train_jobs(&self.known),
            Phase::References => reference_jobs(&self.known),
            Phase::Statistics => statistics_jobs(&self.known),
            Phase::Tune => self.known.tune_jobs(),
            Phase::Learned => learned_jobs(&self.known),
            Phase::Search => VecDeque::new(),
            Phase::Baselines => baseline_jobs(&self.known, &self.baselines),
            Phase::Report => report_jobs(&self.known, &self.searches, &self.baselines),
            Phase::Subsets => subset_jobs(&self.known, &self.subsets, &self.searches, &self.baselines),
            Phase::Write if self.writes_winner => write_job(&self.known, &self.outcome()?).into_iter().collect(),
            Phase::Write => VecDeque::new(),
        })
    }

    /// Jobs that linear searches may ask for next, the most likely first, for workers that would be idle: of each search those of its
    /// next `limit` points.
    ///
    /// The plan does not issue them, and reads no result of theirs before it has asked for it. Whether they are computed therefore
    /// changes no choice, and no table.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(crate) fn ahead(&mut self, limit: usize) -> Result<Vec<PlannedJob>, CoordinatorError> {
        if self.searches.have_chosen() || !self.has(Phase::Search.needs())? {
            return Ok(Vec::new());
        }
        let mut jobs = self.searches.ahead(&self.known, limit);
        jobs.retain(|job| !self.issued.contains(&job.id));
        Ok(jobs)
    }

    /// The index of the search that waits for a job; of the first one if there are several.
    pub(crate) fn requesting_search(&self, id: &JobId) -> Option<usize> {
        self.issued.requesting_search(id)
    }

    /// Whether the plan has issued a job.
    pub(crate) fn has_issued(&self, id: &JobId) -> bool {
        self.issued.contains(id)
    }

    /// The evaluations that [`ahead`](Self::ahead) may have returned at any time and that the searches have not read.
    pub(crate) fn passed_over(&self) -> Vec<JobId> {
        self.searches.passed_over(&self.known)
    }

    /// The points of searches that have entered a race.
    pub(crate) fn raced_points(&self) -> HashSet<JobId> {
        self.searches.raced_points()
    }

    /// Whether no job is left to issue or to wait for.
    fn is_over(&self) -> bool {
        self.is_evaluated() && self.pending.is_issued(Phase::Write)
    }

    /// Whether every evaluation has ended.
    fn is_evaluated(&self) -> bool {
        let evaluating = [
            Phase::Train,
            Phase::References,
            Phase::Statistics,
            Phase::Tune,
            Phase::Baselines,
            Phase::Learned,
            Phase::Report,
            Phase::Subsets,
        ];
        !self.issued.has_open()
            && self.searches.have_chosen()
            && evaluating.into_iter().all(|phase| self.pending.is_issued(phase))
    }
}
