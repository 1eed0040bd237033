//! What the end of a job changes.

use super::RunState;
use crate::{
    Completion, CoordinatorError, Event, PlannedJob,
    lookup::{FinalFailure, Found},
    run::circuit_breaker::Origin,
};
use jobs::{ArtefactResult, Blame, JobKind, JobResult};

impl RunState {
    /// Records the end of a job; `is_reused` if it ended before this run needed it.
    pub(super) fn complete(&mut self, job: PlannedJob, found: Found, is_reused: bool) -> Result<(), CoordinatorError> {
        match found {
            Found::Nothing => Ok(()),
            Found::Failed(failed) if job.is_slice() => self.fail_slice(&job, &failed),
            Found::Failed(failed) => {
                if is_reused {
                    self.breaker.base_failed(&job.id, &failed.errors);
                } else {
                    self.breaker.failed(&job.id, self.origin(&job), &failed.errors);
                }
                self.fail(job, failed, is_reused)
            }
            // A corrupt object says nothing about the recipe or the base model, so the circuit breaker ignores it.
            Found::Corrupt(errors) if job.is_slice() => {
                self.fail_slice(&job, &FinalFailure { errors, blame: Some(Blame::Machine) })
            }
            Found::Corrupt(errors) => self.fail(job, FinalFailure { errors, blame: Some(Blame::Machine) }, is_reused),
            Found::Artefact(result) => self.written(job, &result, is_reused),
            Found::Result(result) => self.finished(job, *result, is_reused),
        }
    }

    /// What the circuit breaker counts a job with, before its end is recorded.
    fn origin(&self, job: &PlannedJob) -> Origin {
        self.plan.requesting_search(&job.id).map_or(Origin::Rest, Origin::Search)
    }

    /// A slice counts as no job, and so its failure as none: the point is evaluated on all examples, which shows whether it can be.
    fn fail_slice(&mut self, job: &PlannedJob, failed: &FinalFailure) -> Result<(), CoordinatorError> {
        let FinalFailure { errors, blame } = failed;
        self.plan.record(job.id, Completion::Failed { errors, blame: *blame })?;
        let label = &job.label;
        let error = errors.join(": ");
        tracing::warn!(job = %job.id.short(), %error, "a slice failed: {label}; the model is evaluated on all examples");
        Ok(())
    }

    fn fail(&mut self, job: PlannedJob, failed: FinalFailure, is_reused: bool) -> Result<(), CoordinatorError> {
        let PlannedJob { id, label, .. } = job;
        let FinalFailure { errors, blame } = failed;
        let is_write = self.plan.is_write(&id);
        self.plan.record(id, Completion::Failed { errors: &errors, blame })?;
        // Counts do not include the winner.
        if is_write {
            self.emit(Event::NotWritten { job: id, label, errors, is_reused });
            return Ok(());
        }
        self.progress.counts.failed += 1;
        self.emit(Event::Failed { job: id, label, errors, is_reused });
        Ok(())
    }

    fn written(&mut self, job: PlannedJob, result: &ArtefactResult, is_reused: bool) -> Result<(), CoordinatorError> {
        let kind = job.job.spec().kind();
        let origin = self.origin(&job);
        let PlannedJob { id, label, .. } = job;
        self.plan.record(id, Completion::Artefact(result))?;
        self.breaker.succeeded(origin);
        if !is_reused {
            self.progress.add_device_time(&result.timings);
        }
        match (kind, is_reused) {
            (JobKind::Write, _) => {}
            (JobKind::Statistics | JobKind::Tune | JobKind::Train | JobKind::Evaluate, true) => {
                self.progress.counts.reused += 1;
            }
            (JobKind::Statistics | JobKind::Tune | JobKind::Train | JobKind::Evaluate, false) => {
                self.progress.counts.run += 1;
            }
        }
        let size = result.artefact.size();
        let facts = result.artefact.facts.clone();
        self.emit(Event::Written { job: id, kind, label, size, facts, is_reused });
        Ok(())
    }

    fn finished(&mut self, job: PlannedJob, result: JobResult, is_reused: bool) -> Result<(), CoordinatorError> {
        let origin = self.origin(&job);
        let PlannedJob { id, label, .. } = job;
        let recorded = self.plan.record(id, Completion::Result(&result))?;
        self.examples.add(&result.meaning, &result.scores);
        if !is_reused {
            self.progress.add_device_time(&result.timings);
        }
        // A slice is a part of the evaluation of a point, and counts as no job of its own. It is not compacted either: parts are
        // read in brief, without the single answers that make up a slice.
        if result.meaning.slice.is_some() {
            return Ok(());
        }
        self.breaker.succeeded(origin);
        if is_reused {
            self.progress.counts.reused += 1;
        } else {
            self.progress.counts.run += 1;
        }
        let value = recorded.value;
        let timings = result.timings;
        self.new_results.push(result);
        self.emit(Event::Finished { job: id, label, value, timings, is_reused });
        self.report_weak_adapters();
        if let (Some((search, spec)), Some(value)) = (recorded.best_of, value) {
            self.emit(Event::Best { search, spec: Box::new(spec), value });
        }
        Ok(())
    }
}
