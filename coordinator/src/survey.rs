use crate::{
    CoordinatorError, Frozen, NextJobs, PlannedJob, StoredJobs, SweepPlan,
    chains::{lost_legs, remove_trainings, stored_legs},
    consistency::ConsistencyCheck,
    listing::StoreListing,
    lookup::{Found, JobRef, Retry, look_up_many},
    parts::load_parts,
    resume::{ReadOptions, Resume, Survey},
    revision::revision_of,
};
use jobs::{ExampleCounts, JobId, JobKind, JobSpec, Outcome};
use std::collections::HashSet;
use store::{Revision, Store, StoreError};

/// The number of jobs that are looked up at a time.
const BATCH: usize = 256;

/// Reads what the store has of the sweep, as far as the stored results lead the searches. Publishes nothing.
///
/// Compacted parts are read first. A listing of the store shows what else exists; a small sweep in a large store looks
/// up each of its jobs instead. A failure that `retry` covers counts as missing, as it does in a run with the same
/// setting.
///
/// # Errors
/// As [`SweepPlan::new`] and [`SweepPlan::next`]; [`CoordinatorError::OtherSweep`] if the store holds another sweep of
/// this name, whose jobs are not counted; the store cannot be read.
pub async fn survey(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let revision = revision_of(store, frozen).await?;
    let resume = survey_revision(&frozen.clone().at_revision(revision.number), store, retry).await?;
    Ok(Resume { revision, ..resume })
}

/// As [`survey`], for a run that repairs: corrupt results are set aside, so that their jobs are missing.
///
/// # Errors
/// As [`survey`]; an object cannot be copied or deleted.
pub async fn repair(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let revision = revision_of(store, frozen).await?;
    let resume = repair_revision(&frozen.clone().at_revision(revision.number), store, retry).await?;
    Ok(Resume { revision, ..resume })
}

/// The outcome of a revision so far, finished or not, and how much of it is done: see [`SweepPlan::so_far`].
///
/// # Errors
/// As [`survey`].
pub async fn so_far(frozen: &Frozen, store: &Store) -> Result<(Outcome, Survey), CoordinatorError> {
    let read = read_sweep(frozen, store, ReadOptions::default()).await?;
    Ok((read.plan.so_far()?, read.resume.survey))
}

/// The jobs of a revision that have a result, an artefact or a permanent failure in the store. A revision that cannot go on, such as
/// one whose training failed, has those that were made before.
///
/// # Errors
/// As [`survey`].
pub async fn stored_jobs(frozen: &Frozen, store: &Store) -> Result<StoredJobs, CoordinatorError> {
    let read = read_sweep(frozen, store, ReadOptions { ends_early: true, ..ReadOptions::default() }).await?;
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    let mut ended = store.compacted_jobs(revision).await?.jobs;
    ended.extend(read.resume.uncompacted);
    ended.extend(read.resume.failed_jobs);
    let passed_over = read.plan.passed_over();
    let may_be_stored = |id: &&JobId| read.resume.listing.may_hold(&JobRef { id: **id, kind: JobKind::Evaluate });
    let listed: Vec<JobId> = passed_over.iter().filter(may_be_stored).copied().collect();
    ended.extend(stored_ahead(store, &listed).await?);
    let mut raced = read.plan.raced_points();
    if !raced.is_empty() {
        raced.extend(passed_over);
    }
    let mut slices: HashSet<JobId> = read.resume.failed_slices.into_iter().collect();
    if !raced.is_empty() {
        slices.extend(stored_slices(store, &raced, &ended).await?);
    }
    let mut artefacts: HashSet<JobId> = read.resume.artefacts.into_iter().collect();
    artefacts.extend(stored_legs(frozen, store).await?);
    let rested = rested_legs(frozen, store).await?;
    Ok(StoredJobs { ended, artefacts, slices, rested })
}

/// The legs that have kept something of themselves when they rested.
async fn rested_legs(frozen: &Frozen, store: &Store) -> Result<HashSet<JobId>, StoreError> {
    if !frozen.sweep().trains() {
        return Ok(HashSet::new());
    }
    let kept = store.jobs_with_checkpoints().await?;
    if kept.is_empty() {
        return Ok(HashSet::new());
    }
    let legs = frozen.sweep().tasks.iter().flat_map(|task| frozen.train_specs(&task.name));
    Ok(legs.map(|leg| JobSpec::from(leg.clone()).id()).filter(|leg| kept.contains(leg)).collect())
}

/// The jobs among `passed_over` that were computed ahead of a search, and which it has not asked for.
async fn stored_ahead(store: &Store, passed_over: &[JobId]) -> Result<Vec<JobId>, StoreError> {
    if passed_over.is_empty() {
        return Ok(Vec::new());
    }
    let jobs: Vec<JobRef> = passed_over.iter().map(|id| JobRef { id: *id, kind: JobKind::Evaluate }).collect();
    let found = look_up_many(store, &jobs).await?;
    let all = passed_over.iter().copied().zip(found);
    Ok(all.filter(|(_, found)| !matches!(found, Found::Nothing)).map(|(id, _)| id).collect())
}

/// The evaluations on all examples that a run may have made ahead of a search, and that the search has not asked for. They are
/// those of the scans that have begun, as far as the stored results lead.
///
/// # Errors
/// As [`survey`].
pub async fn points_ahead(frozen: &Frozen, store: &Store) -> Result<Vec<JobId>, CoordinatorError> {
    let read = read_sweep(frozen, store, ReadOptions { ends_early: true, ..ReadOptions::default() }).await?;
    Ok(read.plan.passed_over())
}

/// The stored slices of these points. A plan that knows the evaluations on all examples does not ask for them, and nothing lists them:
/// all results but `others` are read.
async fn stored_slices(
    store: &Store,
    points: &HashSet<JobId>,
    others: &HashSet<JobId>,
) -> Result<Vec<JobId>, StoreError> {
    let mut slices = Vec::new();
    let jobs: Vec<JobId> = store.jobs_with_results().await?.into_iter().filter(|job| !others.contains(job)).collect();
    for batch in jobs.chunks(BATCH) {
        for found in store.results_of(batch).await {
            match found {
                Ok(Some(result)) if result.meaning.slice.is_some() && points.contains(&result.meaning.whole_id()) => {
                    slices.push(result.job);
                }
                Ok(_) => {}
                Err(error @ StoreError::Backend(_)) => return Err(error),
                Err(error) => tracing::warn!(%error, "skipped a result that may be a slice of a race"),
            }
        }
    }
    Ok(slices)
}

/// As [`survey`], of the revision of `frozen`, whichever revision the store holds.
pub(crate) async fn survey_revision(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    Ok(read_sweep(frozen, store, ReadOptions { retry, ..ReadOptions::default() }).await?.into_resume())
}

/// As [`repair`], of the revision of `frozen`, whichever revision the store holds.
pub(crate) async fn repair_revision(frozen: &Frozen, store: &Store, retry: Retry) -> Result<Resume, CoordinatorError> {
    let options = ReadOptions { retry, repair: true, ends_early: false };
    let mut repaired = HashSet::new();
    loop {
        let read = read_sweep(frozen, store, options).await?;
        let new: Vec<JobId> = read.resume.corrupt.iter().filter(|job| repaired.insert(**job)).copied().collect();
        // A result that is corrupt again after its repair cannot be repaired here.
        if new.is_empty() {
            return Ok(read.into_resume());
        }
        let removed = remove_trainings(frozen, store, &new).await?;
        for job in new.iter().filter(|job| !removed.contains(job)) {
            set_aside(store, job, read.resume.all_examples()).await?;
        }
    }
}

/// Sets a corrupt result aside, and removes the failures that it caused. `examples` are the sizes of data by all
/// results.
pub(crate) async fn set_aside(store: &Store, job: &JobId, examples: &ExampleCounts) -> Result<(), StoreError> {
    let is_sound = |result: &jobs::JobResult| examples.check(&result.meaning, &result.scores);
    if let Some(key) = store.set_aside(job, is_sound).await? {
        tracing::warn!(job = %job.short(), kept = %key, "set a corrupt result aside; the job is computed again");
    }
    store.clear_failures(job).await?;
    Ok(())
}

/// A sweep as it was read from the store.
struct ReadSweep {
    plan: SweepPlan,
    resume: Resume,
}

impl ReadSweep {
    fn into_resume(self) -> Resume {
        Resume { results: self.plan.into_results(), ..self.resume }
    }
}

/// Reads the sweep. If results contradict each other, it is read again: only all results together show which one is
/// wrong.
async fn read_sweep(frozen: &Frozen, store: &Store, options: ReadOptions) -> Result<ReadSweep, CoordinatorError> {
    let first = read(frozen, store, options, None).await?;
    if first.resume.examples.agree() {
        return Ok(first);
    }
    let all = first.resume.examples;
    let second = read(frozen, store, options, Some(&all)).await?;
    Ok(ReadSweep { resume: Resume { contradicting: Some(all), ..second.resume }, ..second })
}

/// `contradicting` are the sizes of data by all results, if these contradict each other.
async fn read(
    frozen: &Frozen,
    store: &Store,
    options: ReadOptions,
    contradicting: Option<&ExampleCounts>,
) -> Result<ReadSweep, CoordinatorError> {
    let mut plan = SweepPlan::new(frozen.clone())?;
    let listing = StoreListing::of(store, plan.bound()).await?;
    let mut resume = Resume::begin(plan.bound(), listing);
    let lost = lost_legs(frozen, store).await?;
    let revision = Revision::of(&frozen.sweep().name, frozen.revision());
    let mut check = ConsistencyCheck { contradicting, accepted: &mut resume.examples };
    resume.survey.stored = load_parts(store, revision, &mut plan, &mut check).await?;
    loop {
        let jobs = match plan.next(BATCH) {
            Ok(NextJobs::Publish(jobs)) => jobs,
            Ok(NextJobs::Wait | NextJobs::Finished(_)) => break,
            // What was found before the plan could not go on is stored all the same.
            Err(_) if options.ends_early => break,
            Err(error) => return Err(error),
        };
        let job_refs: Vec<JobRef> = jobs.iter().map(PlannedJob::job_ref).collect();
        let found = resume.listing.look_up(store, &job_refs).await?;
        for (job, found) in jobs.into_iter().zip(found) {
            let found = if lost.contains(&job.id) && is_done(&found) { Found::Nothing } else { found };
            let found = ConsistencyCheck { contradicting, accepted: &mut resume.examples }.apply(found);
            resume.apply(&mut plan, job, found, options)?;
        }
    }
    Ok(ReadSweep { plan, resume })
}

fn is_done(found: &Found) -> bool {
    match found {
        Found::Result(_) | Found::Artefact(_) => true,
        Found::Failed(_) | Found::Corrupt(_) | Found::Nothing => false,
    }
}
