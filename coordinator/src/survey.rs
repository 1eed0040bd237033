use crate::{
    Answer, CoordinatorError, Course, Frozen, Memory, Step, Wanted,
    judge::Judge,
    lookup::{Failed, Found, Presence, Retry, Sought},
    parts::recall_parts,
    revision::{Revised, revision_of},
};
use jobs::{Blame, ExampleCounts, JobId, Outcome};
use std::collections::HashSet;
use store::{Revision, Store, StoreError};

/// How much of a sweep is done, without publishing anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// The most jobs that the sweep may need. Jobs that several parts share are counted for each.
    pub bound: u64,
    /// The jobs that are wanted so far and have a result.
    pub stored: u64,
    /// The jobs that are wanted so far and failed for good.
    pub failed: u64,
    /// Those of the failed whose stored result is corrupt.
    pub corrupt: u64,
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
    /// Jobs whose stored result is corrupt.
    pub(crate) corrupt: HashSet<JobId>,
    /// What the results that were taken in say of the sizes of their data.
    pub(crate) examples: ExampleCounts,
    /// What all results say of these, if they contradict each other.
    said: Option<ExampleCounts>,
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
        Ok(Self::begin(bound, Presence::default()))
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
            corrupt: HashSet::new(),
            examples: ExampleCounts::default(),
            said: None,
        }
    }

    /// What all results say of the sizes of their data.
    pub(crate) fn said(&self) -> &ExampleCounts {
        self.said.as_ref().unwrap_or(&self.examples)
    }

    /// The jobs of the sweep that failed for good, as far as they are wanted so far: whichever sweep had wanted them
    /// first.
    pub fn failed_jobs(&self) -> &[JobId] {
        &self.failed_jobs
    }
}

/// Goes through the sweep as far as the store's answers lead.
///
/// Compacted parts are read first, then what they do not cover, as a listing of the store tells; a small sweep in a store that
/// holds much asks for each of its jobs instead. What `retry` covers of what failed before counts as missing, as in a run with the same setting.
///
/// # Errors
/// As [`Course::new`] and [`Course::next`]; [`CoordinatorError::OtherSweep`] if the store holds another sweep of this name, whose
/// jobs are not counted; the store cannot be read.
pub async fn survey(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let revised = revision_of(store, frozen).await?;
    let resume = survey_revision(&frozen.clone().at_revision(revised.number), store, retry).await?;
    Ok(Resume { revised, ..resume })
}

/// What a revision of a sweep has come to by now, finished or not, and how much of it is done: see [`Course::so_far`].
///
/// # Errors
/// As [`survey`].
pub async fn so_far(frozen: &Frozen, store: &Store) -> Result<(Outcome, Survey), CoordinatorError> {
    let (course, resume) = go_through(frozen, store, How { retry: Retry::Nothing, repair: false }).await?;
    Ok((course.so_far()?, resume.survey))
}

/// The jobs of a revision that the store holds a result or a final failure of, as far as its answers lead.
///
/// # Errors
/// As [`survey`].
pub async fn stored_jobs(frozen: &Frozen, store: &Store) -> Result<HashSet<JobId>, CoordinatorError> {
    let (_, resume) = go_through(frozen, store, How { retry: Retry::Nothing, repair: false }).await?;
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    let mut jobs = store.compacted_jobs(revision).await?.jobs;
    jobs.extend(resume.uncompacted);
    jobs.extend(resume.failed_jobs);
    Ok(jobs)
}

/// As [`survey`], for a run that repairs: corrupt results are set aside, so that their jobs are missing.
///
/// # Errors
/// As [`survey`]; an object cannot be copied or deleted.
pub async fn repair(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let revised = revision_of(store, frozen).await?;
    let resume = repair_revision(&frozen.clone().at_revision(revised.number), store, retry).await?;
    Ok(Resume { revised, ..resume })
}

/// As [`survey`], of the revision that `frozen` is, whichever the store holds.
pub(crate) async fn survey_revision(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let (course, mut resume) = go_through(frozen, store, How { retry, repair: false }).await?;
    resume.memory = course.into_memory();
    Ok(resume)
}

/// As [`repair`], of the revision that `frozen` is, whichever the store holds.
pub(crate) async fn repair_revision(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let how = How { retry, repair: true };
    let mut repaired = HashSet::new();
    loop {
        let (course, mut resume) = go_through(frozen, store, how).await?;
        let new: Vec<JobId> = resume.corrupt.iter().filter(|job| repaired.insert(**job)).copied().collect();
        if new.is_empty() {
            resume.memory = course.into_memory();
            return Ok(resume);
        }
        for job in &new {
            set_aside(store, job, resume.said()).await?;
        }
    }
}

/// How a store is read.
#[derive(Debug, Clone, Copy)]
struct How {
    /// What is missing of what failed before.
    retry: Retry,
    /// What is corrupt is missing.
    repair: bool,
}

/// Reads the sweep. If results contradict each other, it is read once more: only beside all others shows which is wrong.
async fn go_through(frozen: &Frozen, store: &Store, how: How) -> Result<(Course, Resume), CoordinatorError> {
    let (course, resume) = read(frozen, store, how, None).await?;
    if resume.examples.agree() {
        return Ok((course, resume));
    }
    let said = resume.examples;
    let (course, resume) = read(frozen, store, how, Some(&said)).await?;
    Ok((course, Resume { said: Some(said), ..resume }))
}

/// `said` is what all results say of the sizes of their data, if they contradict each other.
async fn read(
    frozen: &Frozen,
    store: &Store,
    how: How,
    said: Option<&ExampleCounts>,
) -> Result<(Course, Resume), CoordinatorError> {
    let mut course = Course::new(frozen.clone())?;
    let presence = Presence::of(store, course.bound()).await?;
    let mut resume = Resume::begin(course.bound(), presence);
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    let mut judge = Judge { said, counts: &mut resume.examples };
    resume.survey.stored = recall_parts(store, revision, &mut course, &mut judge).await?;
    while let Step::Run(wanted) = course.next(BATCH)? {
        let sought: Vec<Sought> = wanted.iter().map(Wanted::sought).collect();
        for (wanted, found) in wanted.into_iter().zip(resume.presence.look_up(store, &sought).await?) {
            let found = Judge { said, counts: &mut resume.examples }.judge(found);
            resume.take_in(&mut course, wanted, found, how)?;
        }
    }
    Ok((course, resume))
}

/// Sets a corrupt result aside, and forgets the failures that it led to. `said` is what all results say of their data.
pub(crate) async fn set_aside(store: &Store, job: &JobId, said: &ExampleCounts) -> Result<(), StoreError> {
    let is_sound = |result: &jobs::JobResult| said.check(&result.meaning, &result.scores);
    if let Some(key) = store.set_aside(job, is_sound).await? {
        tracing::warn!(job = %job.short(), kept = %key, "set a corrupt result aside; the job is computed again");
    }
    store.clear_failures(job).await?;
    Ok(())
}

impl Resume {
    fn take_in(
        &mut self,
        course: &mut Course,
        Wanted { id, label, .. }: Wanted,
        found: Found,
        how: How,
    ) -> Result<(), CoordinatorError> {
        match found {
            Found::Result(result) => {
                course.record(id, Answer::Result(&result))?;
                self.survey.stored += 1;
                self.uncompacted.push(id);
                self.presence.forget(&id);
            }
            Found::Artefact(result) => {
                course.record(id, Answer::Artefact(&result))?;
            }
            Found::Failed(failed) if !how.retry.covers(&failed) => self.fail(course, id, label, failed)?,
            Found::Corrupt(errors) => {
                self.corrupt.insert(id);
                if how.repair {
                    course.set_aside(&id);
                    self.survey.missing += 1;
                } else {
                    self.survey.corrupt += 1;
                    // What lies in the store says nothing of the recipe.
                    self.fail(course, id, label, Failed { errors, blame: Some(Blame::Machine) })?;
                }
            }
            Found::Failed(_) | Found::Nothing => {
                course.set_aside(&id);
                self.survey.missing += 1;
            }
        }
        Ok(())
    }

    fn fail(&mut self, course: &mut Course, id: JobId, label: String, failed: Failed) -> Result<(), CoordinatorError> {
        let Failed { errors, blame } = failed;
        course.record(id, Answer::Failed { errors: &errors, blame })?;
        self.survey.failed += 1;
        self.failed_jobs.push(id);
        if self.failed.len() < MAX_TOLD {
            self.failed.push(FailedBefore { job: id, label, errors });
        }
        self.presence.forget(&id);
        Ok(())
    }
}
