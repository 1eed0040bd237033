use crate::{
    Answer, CoordinatorError, Course, Frozen, Memory, Step, Wanted,
    lookup::{Failed, Found, Presence, Retry, look_up},
    parts::recall_parts,
    revision::{Revised, revision_of},
};
use jobs::{JobId, Outcome};
use std::collections::HashSet;
use store::{Revision, Store};

/// How much of a sweep is done, without publishing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// The most jobs that the sweep may need. Jobs that several parts share are counted for each.
    pub bound: u64,
    /// The jobs that are wanted so far and have a result.
    pub stored: u64,
    /// The jobs that are wanted so far and failed for good.
    pub failed: u64,
    /// The jobs that would be published at once. A search that depends on them may want more afterwards.
    pub missing: u64,
}

/// Where a sweep goes on: what the store told of it, read once.
#[derive(Debug)]
pub struct Resume {
    /// How much is done.
    pub survey: Survey,
    /// The revision that a run makes, or goes on with.
    pub revised: Revised,
    pub(crate) memory: Memory,
    pub(crate) presence: Presence,
    /// Jobs with a result that is in no part yet.
    pub(crate) uncompacted: Vec<JobId>,
    /// Jobs that failed for good, as far as they are worth telling.
    pub(crate) failed: Vec<FailedBefore>,
    /// All jobs that failed for good.
    failed_jobs: Vec<JobId>,
}

/// A job that failed for good before.
#[derive(Debug)]
pub(crate) struct FailedBefore {
    pub(crate) job: JobId,
    pub(crate) label: String,
    pub(crate) errors: Vec<String>,
}

/// Jobs that are looked up at a time.
const BATCH: usize = 256;

/// Failures that are told one by one.
const MAX_TOLD: usize = 100;

impl Resume {
    /// The beginning of a sweep of which nothing is stored.
    ///
    /// # Errors
    /// As [`Course::new`].
    pub fn fresh(frozen: &Frozen) -> Result<Self, CoordinatorError> {
        let bound = Course::new(frozen.clone())?.bound();
        Ok(Self::begin(bound, Presence::Unknown))
    }

    fn begin(bound: u64, presence: Presence) -> Self {
        Self {
            survey: Survey { bound, ..Survey::default() },
            revised: Revised::first(),
            memory: Memory::default(),
            presence,
            uncompacted: Vec::new(),
            failed: Vec::new(),
            failed_jobs: Vec::new(),
        }
    }

    /// The jobs of the sweep that failed for good, as far as they are wanted so far: whichever sweep had wanted them
    /// first.
    pub fn failed_jobs(&self) -> &[JobId] {
        &self.failed_jobs
    }
}

/// Goes through the sweep as far as the store's answers lead.
///
/// Compacted parts are read first, then what they do not cover: one by one in a small sweep, else as a listing of the
/// store tells. What `retry` covers of what failed before counts as missing, as in a run with the same setting.
///
/// # Errors
/// As [`Course::new`] and [`Course::next`]; [`CoordinatorError::OtherSweep`] if the store holds another sweep of this name, whose
/// jobs are not counted; the store cannot be read.
pub async fn survey(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let revised = revision_of(store, frozen).await?;
    let frozen = frozen.clone().at_revision(revised.number);
    let (course, mut resume) = go_through(&frozen, store, retry).await?;
    resume.memory = course.into_memory();
    resume.revised = revised;
    Ok(resume)
}

/// What a revision of a sweep has come to by now, finished or not, and how much of it is done: see [`Course::so_far`].
///
/// # Errors
/// As [`survey`].
pub async fn so_far(frozen: &Frozen, store: &Store) -> Result<(Outcome, Survey), CoordinatorError> {
    let (course, resume) = go_through(frozen, store, Retry::Nothing).await?;
    Ok((course.so_far()?, resume.survey))
}

/// The jobs of a revision that the store holds a result or a final failure of, as far as its answers lead.
///
/// # Errors
/// As [`survey`].
pub async fn stored_jobs(frozen: &Frozen, store: &Store) -> Result<HashSet<JobId>, CoordinatorError> {
    let (_, resume) = go_through(frozen, store, Retry::Nothing).await?;
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    let mut jobs = store.compacted_jobs(revision).await?.jobs;
    jobs.extend(resume.uncompacted);
    jobs.extend(resume.failed_jobs);
    Ok(jobs)
}

async fn go_through(frozen: &Frozen, store: &Store, retry: Retry) -> Result<(Course, Resume), CoordinatorError> {
    let mut course = Course::new(frozen.clone())?;
    let presence = Presence::of(store, course.bound()).await?;
    let mut resume = Resume::begin(course.bound(), presence);
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    resume.survey.stored = recall_parts(store, revision, &mut course).await?;
    while let Step::Run(wanted) = course.next(BATCH)? {
        let (asked, absent): (Vec<Wanted>, Vec<Wanted>) =
            wanted.into_iter().partition(|wanted| resume.presence.may_hold(&wanted.id));
        resume.survey.missing += absent.len() as u64;
        absent.iter().for_each(|wanted| course.set_aside(&wanted.id));
        let ids: Vec<JobId> = asked.iter().map(|wanted| wanted.id).collect();
        for (wanted, found) in asked.into_iter().zip(look_up(store, &ids).await?) {
            resume.take_in(&mut course, wanted, found, retry)?;
        }
    }
    Ok((course, resume))
}

impl Resume {
    fn take_in(
        &mut self,
        course: &mut Course,
        Wanted { id, label, .. }: Wanted,
        found: Found,
        retry: Retry,
    ) -> Result<(), CoordinatorError> {
        match found {
            Found::Result(result) => {
                course.record(id, Answer::Result(&result))?;
                self.survey.stored += 1;
                self.uncompacted.push(id);
                self.presence.forget(&id);
            }
            Found::Failed(failed) if !retry.covers(&failed) => {
                let Failed { errors, blame } = failed;
                course.record(id, Answer::Failed { errors: &errors, blame })?;
                self.survey.failed += 1;
                self.failed_jobs.push(id);
                if self.failed.len() < MAX_TOLD {
                    self.failed.push(FailedBefore { job: id, label, errors });
                }
                self.presence.forget(&id);
            }
            Found::Failed(_) | Found::Nothing => {
                course.set_aside(&id);
                self.survey.missing += 1;
            }
        }
        Ok(())
    }
}
