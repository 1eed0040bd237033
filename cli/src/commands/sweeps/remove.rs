use crate::{
    args,
    clock::{now_ms, span},
    commands::run::artefact_of,
    failure::{Failure, RunFailure, StoredFailure},
    remote::existing_store,
    terminal,
};
use coordinator::{CoordinatorError, FreezeError, Frozen, StoredJobs, is_active};
use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::{Cancellation, JobId, Manifest, Progress};
use store::{Revision, Store, StoreError};

/// Results that are removed at the same time.
const CONCURRENT: usize = 32;

/// `bowline sweeps remove`
pub(super) async fn remove(args: &args::SweepsRemove) -> Result<(), Failure> {
    let store = existing_store(&args.sweep.store).await?;
    let name = &args.sweep.name;
    let documents = store.artefacts(name, None).await?;
    // The mark alone is what a removal leaves.
    if documents.iter().all(|document| document == Cancellation::DOCUMENT) {
        return Err(Failure::Stored(StoredFailure::NoSweep { name: name.clone(), store: store.place() }));
    }
    if !args.force {
        check_idle(&store, name).await?;
    }
    let results = if args.results { results_of(&store, name).await? } else { Results::default() };
    if !args.yes && !is_confirmed(name, &results, args.results)? {
        terminal::note("nothing was removed");
        return Ok(());
    }
    // Results first: without the sweep they cannot be found.
    if args.results {
        remove_jobs(&store, &results.own).await?;
    } else {
        remove_rested(&store, name).await?;
    }
    if args.results
        && let Some(artefact) = own_artefact(&store, name).await?
    {
        store.remove_artefact(&artefact).await?;
    }
    let pools = store.remove_pool_entries(name).await?;
    let removed = remove_documents(&store, name).await?;
    let s = if removed == 1 { "" } else { "s" };
    terminal::note(format_args!(
        "the sweep `{name}` is removed, with {removed} document{s}; {}",
        results.in_words(args.results)
    ));
    for pool in pools {
        // No worker reads it any more, and autoscalers count its messages.
        terminal::note(format_args!(
            "the broker may still have the queue of `{name}` in pool `{pool}`; delete it with \
             `bowline cancel {name} --pool {pool} --queue URL`"
        ));
    }
    Ok(())
}

/// The jobs of a sweep that the store holds something of.
#[derive(Debug, Default)]
struct Results {
    /// Those of no other sweep.
    own: StoredJobs,
    /// How many another sweep has as well.
    shared: usize,
}

impl Results {
    fn in_words(&self, are_asked_for: bool) -> String {
        match (are_asked_for, self.own.count(), self.shared) {
            (false, ..) => "its results stay".to_owned(),
            (true, own, 0) => format!("so are the results of {own} jobs"),
            (true, own, shared) => {
                format!("so are the results of {own} jobs; those of {shared} stay, which other sweeps have as well")
            }
        }
    }
}

async fn remove_jobs(store: &Store, jobs: &StoredJobs) -> Result<(), Failure> {
    // What jobs have kept that failed, or never ended. There are few, if any.
    let kept = &store.jobs_with_checkpoints().await?;
    let remove_result = |job: JobId| async move {
        store.remove_result(&job).await?;
        if kept.contains(&job) {
            store.remove_checkpoint(&job).await?;
        }
        store.clear_failures(&job).await.map(drop)
    };
    let ended = stream::iter(jobs.ended.iter().chain(&jobs.slices).copied().map(remove_result));
    ended.buffered(CONCURRENT).try_collect::<Vec<()>>().await?;
    for job in &jobs.artefacts {
        store.remove_artefact(job).await?;
        store.remove_checkpoint(job).await?;
        store.clear_failures(job).await?;
    }
    for job in &jobs.rested {
        store.remove_checkpoint(job).await?;
    }
    Ok(())
}

/// Removes the states of legs that rested and are of no other sweep. They are no results, and could not be found without the sweep.
async fn remove_rested(store: &Store, name: &str) -> Result<(), Failure> {
    if store.jobs_with_checkpoints().await?.is_empty() {
        return Ok(());
    }
    match results_of(store, name).await {
        Ok(results) => {
            for job in &results.own.rested {
                store.remove_checkpoint(job).await?;
            }
            Ok(())
        }
        Err(error @ Failure::Store(StoreError::Backend(_))) => Err(error),
        // A sweep that cannot be read, this one or another, does not keep this one from being removed.
        Err(_) => {
            terminal::note("states of legs that rested, if there are any, stay in `checkpoints/` of the store");
            Ok(())
        }
    }
}

/// The artefact of the sweep's winner, unless another sweep has the same.
async fn own_artefact(store: &Store, name: &str) -> Result<Option<JobId>, Failure> {
    let Some(artefact) = artefact_of(store, name).await? else { return Ok(None) };
    for other in store.sweeps().await?.into_iter().filter(|other| other != name) {
        if artefact_of(store, &other).await? == Some(artefact) {
            return Ok(None);
        }
    }
    Ok(Some(artefact))
}

/// Refuses to remove a sweep whose run is active.
async fn check_idle(store: &Store, name: &str) -> Result<(), Failure> {
    let now = now_ms();
    match store.dated_document::<Progress>(name, Progress::DOCUMENT).await {
        Ok(Some(progress)) if is_active(&progress, now) => {
            let age = span(progress.age(progress.content.updated_ms, now).as_secs_f64());
            Err(Failure::Stored(StoredFailure::Running { name: name.to_owned(), age }))
        }
        Err(error @ StoreError::Backend(_)) => Err(error.into()),
        // An unreadable document is not from a run of this version, and may be the reason for the removal.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_confirmed(name: &str, results: &Results, are_asked_for: bool) -> Result<bool, Failure> {
    let with = match (are_asked_for, results.own.count()) {
        (true, own) => format!(", and the results of {own} jobs that no other sweep has"),
        (false, _) => "; its results stay".to_owned(),
    };
    let answer = terminal::ask(format_args!("remove the sweep `{name}`{with}? [y/N] "));
    let answer = answer.ok_or_else(|| Failure::Stored(StoredFailure::NotConfirmed { name: name.to_owned() }))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Removes all documents, and leaves the mark by which workers drop jobs that a queue may still hold: workers assume
/// that an unknown sweep belongs to another store.
async fn remove_documents(store: &Store, name: &str) -> Result<usize, Failure> {
    // An evaluation in this process used no queue, and may be repeated under the same name.
    if Manifest::is_name_of_evaluation(name) {
        return Ok(store.remove_sweep(name, None).await?);
    }
    store.put_document(name, Cancellation::DOCUMENT, &Cancellation::of_removed(now_ms())).await?;
    Ok(store.remove_sweep(name, Some(Cancellation::DOCUMENT)).await?)
}

/// The jobs of all revisions of a sweep, without those that another sweep has.
async fn results_of(store: &Store, name: &str) -> Result<Results, Failure> {
    let all = jobs_of(store, name, true).await?;
    let mut own = all.clone();
    for other in store.sweeps().await?.into_iter().filter(|other| other != name) {
        let jobs = jobs_of(store, &other, false).await;
        let jobs = jobs.map_err(|source| {
            Failure::Stored(StoredFailure::Shared { name: other.clone(), source: Box::new(source) })
        })?;
        own.remove_all(&jobs);
    }
    Ok(Results { shared: all.count() - own.count(), own })
}

/// The jobs of all revisions of a sweep. With `is_lenient`, only the parts of a revision count if the revision cannot
/// be read.
async fn jobs_of(store: &Store, name: &str, is_lenient: bool) -> Result<StoredJobs, Failure> {
    let mut jobs = StoredJobs::default();
    for number in 1..=store.newest_revision(name).await? {
        let revision = Revision::of(name, number);
        match jobs_of_revision(store, revision).await {
            Ok(found) => jobs.extend(found),
            Err(
                error @ (Failure::Store(StoreError::Backend(_))
                | Failure::Run(RunFailure::Coordinator(CoordinatorError::Store(StoreError::Backend(_))))),
            ) => {
                return Err(error);
            }
            Err(_) if is_lenient => jobs.ended.extend(store.compacted_jobs(revision).await?.jobs),
            Err(error) => return Err(error),
        }
    }
    Ok(jobs)
}

async fn jobs_of_revision(store: &Store, revision: Revision<'_>) -> Result<StoredJobs, Failure> {
    let Some(manifest) = store.revision::<Manifest>(revision).await? else { return Ok(StoredJobs::default()) };
    let frozen = Frozen::from_manifest(&manifest).map_err(FreezeError::from)?;
    Ok(coordinator::stored_jobs(&frozen, store).await?)
}
