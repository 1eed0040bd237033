use crate::{
    Completion, CoordinatorError, Frozen, KnownResults, PlannedJob, SweepPlan,
    listing::StoreListing,
    lookup::{FinalFailure, Found, Retry},
    revision::SweepRevision,
};
use jobs::{Blame, ExampleCounts, JobId};
use std::collections::HashSet;

/// How much of a sweep is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// The largest number of jobs that the sweep may need. A job that several phases share counts once for each.
    pub bound: u64,
    /// The jobs needed so far that have a result, or an artefact that merges are made from.
    pub stored: u64,
    /// The jobs needed so far that failed permanently.
    pub failed: u64,
    /// The failed jobs whose stored result is corrupt.
    pub corrupt: u64,
    /// The jobs that would be published at once. A search that depends on them may need more afterwards.
    pub missing: u64,
}

/// The state from which a sweep resumes, read from the store once.
#[derive(Debug)]
pub struct Resume {
    /// How much is done.
    pub survey: Survey,
    /// The revision that a run makes or continues.
    pub revision: SweepRevision,
    pub(crate) results: KnownResults,
    pub(crate) listing: StoreListing,
    /// Jobs whose result is in no compacted part yet.
    pub(crate) uncompacted: Vec<JobId>,
    /// Jobs whose artefact merges are made from.
    pub(crate) artefacts: Vec<JobId>,
    /// The first jobs that failed permanently, to be reported one by one.
    pub(crate) failed: Vec<EarlierFailure>,
    /// All jobs that failed permanently.
    pub(crate) failed_jobs: Vec<JobId>,
    /// Slices that failed permanently. They count as no failures: their points are evaluated on all examples.
    pub(crate) failed_slices: Vec<JobId>,
    /// Jobs whose stored result is corrupt.
    pub(crate) corrupt: HashSet<JobId>,
    /// The sizes of data by the accepted results.
    pub(crate) examples: ExampleCounts,
    /// The sizes of data by all results, if these contradict each other.
    pub(crate) contradicting: Option<ExampleCounts>,
}

/// A job that failed permanently before this run.
#[derive(Debug)]
pub(crate) struct EarlierFailure {
    pub(crate) job: JobId,
    pub(crate) label: String,
    pub(crate) errors: Vec<String>,
}

/// What a survey does with failed jobs and corrupt results.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadOptions {
    /// The failures that count as missing.
    pub(crate) retry: Retry,
    /// A corrupt result counts as missing.
    pub(crate) repair: bool,
    /// An error of the plan ends the reading, and is none of its own.
    pub(crate) ends_early: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { retry: Retry::Nothing, repair: false, ends_early: false }
    }
}

/// The number of failures that are reported one by one.
const MAX_REPORTED: usize = 100;

impl Resume {
    /// The beginning of a sweep of which nothing is stored.
    ///
    /// # Errors
    /// As [`SweepPlan::new`].
    pub fn fresh(frozen: &Frozen) -> Result<Self, CoordinatorError> {
        let bound = SweepPlan::new(frozen.clone())?.bound();
        Ok(Self::begin(bound, StoreListing::default()))
    }

    pub(crate) fn begin(bound: u64, listing: StoreListing) -> Self {
        Self {
            survey: Survey { bound, ..Survey::default() },
            revision: SweepRevision::first(),
            results: KnownResults::default(),
            listing,
            uncompacted: Vec::new(),
            artefacts: Vec::new(),
            failed: Vec::new(),
            failed_jobs: Vec::new(),
            failed_slices: Vec::new(),
            corrupt: HashSet::new(),
            examples: ExampleCounts::default(),
            contradicting: None,
        }
    }

    /// The jobs needed so far that failed permanently, whichever sweep needed them first.
    pub fn failed_jobs(&self) -> &[JobId] {
        &self.failed_jobs
    }

    /// The sizes of data by all results, accepted or not.
    pub(crate) fn all_examples(&self) -> &ExampleCounts {
        self.contradicting.as_ref().unwrap_or(&self.examples)
    }

    /// Records what the store holds of a job.
    pub(crate) fn apply(
        &mut self,
        plan: &mut SweepPlan,
        job: PlannedJob,
        found: Found,
        options: ReadOptions,
    ) -> Result<(), CoordinatorError> {
        let id = job.id;
        match found {
            Found::Result(result) => {
                plan.record(id, Completion::Result(&result))?;
                self.survey.stored += u64::from(!job.is_slice());
                // Parts hold no slices.
                if !job.is_slice() {
                    self.uncompacted.push(id);
                }
                self.listing.forget(&id);
            }
            Found::Artefact(result) => {
                plan.record(id, Completion::Artefact(&result))?;
                self.survey.stored += 1;
                self.artefacts.push(id);
            }
            Found::Failed(failed) if !options.retry.covers(&failed) => self.fail(plan, job, failed)?,
            Found::Corrupt(errors) => {
                self.corrupt.insert(id);
                if options.repair {
                    plan.forget_requester(&id);
                    self.survey.missing += 1;
                } else {
                    self.survey.corrupt += 1;
                    // A corrupt object says nothing about the recipe.
                    self.fail(plan, job, FinalFailure { errors, blame: Some(Blame::Machine) })?;
                }
            }
            Found::Failed(_) | Found::Nothing => {
                plan.forget_requester(&id);
                self.survey.missing += 1;
            }
        }
        Ok(())
    }

    fn fail(&mut self, plan: &mut SweepPlan, job: PlannedJob, failed: FinalFailure) -> Result<(), CoordinatorError> {
        let is_slice = job.is_slice();
        let PlannedJob { id, label, .. } = job;
        let FinalFailure { errors, blame } = failed;
        plan.record(id, Completion::Failed { errors: &errors, blame })?;
        if is_slice {
            self.failed_slices.push(id);
            self.listing.forget(&id);
            return Ok(());
        }
        self.survey.failed += 1;
        self.failed_jobs.push(id);
        if self.failed.len() < MAX_REPORTED {
            self.failed.push(EarlierFailure { job: id, label, errors });
        }
        self.listing.forget(&id);
        Ok(())
    }
}
