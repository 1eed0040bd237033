use crate::{
    args::{self, FailuresCommand},
    failure::Failure,
    local::runtime,
    remote::{existing_store, open_queue},
    terminal,
};
use coordinator::Frozen;
use jobs::{FailureKind, FailureRecord, JobId, Manifest, Precision};
use queue::JobPublisher;
use std::collections::{BTreeMap, btree_map::Entry};
use store::Store;

/// `bowline failures`: what failed, why, and once more.
pub(crate) fn run(args: &args::Failures) -> Result<(), Failure> {
    let runtime = runtime()?;
    match &args.command {
        FailuresCommand::List(args) => runtime.block_on(list(args)),
        FailuresCommand::Show(args) => runtime.block_on(show(args)),
        FailuresCommand::Retry(args) => runtime.block_on(retry(args)),
    }
}

async fn list(args: &args::FailuresList) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let failed = failed_for_good(&store, args.name.as_deref()).await?;
    let kinds = by_kind(&failed);
    if args.json {
        terminal::data(serde_json::to_string_pretty(&kinds).expect("kinds are plain data"));
        return Ok(());
    }
    if kinds.is_empty() {
        terminal::data("no job has failed for good");
    }
    for kind in &kinds {
        let jobs = if kind.jobs == 1 { "job" } else { "jobs" };
        terminal::data(format_args!("{} {jobs}, for instance {}", kind.jobs, kind.example.short()));
        kind.errors.iter().for_each(|error| terminal::data(format_args!("    {error}")));
    }
    Ok(())
}

async fn show(args: &args::FailuresShow) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let job = the_job(&store, &args.job).await?;
    let mut records = Vec::new();
    for record in store.failures(&job).await? {
        match record {
            Ok(record) => records.push(record),
            Err(error) => terminal::note(format_args!("warning: {}", terminal::in_one_line(&error))),
        }
    }
    if args.json {
        terminal::data(serde_json::to_string_pretty(&records).expect("records are plain data"));
        return Ok(());
    }
    terminal::data(format_args!("job {job}"));
    if let Some(record) = records.first() {
        let subject = jobs::canonical_json(&record.meaning.subject);
        terminal::data(format_args!("  {subject} on `{}`", record.meaning.split));
    }
    for record in &records {
        let last = if record.is_final { ", for good" } else { "" };
        terminal::data(format_args!("  attempt {} on {} failed{last}:", record.attempt, record.worker));
        record.errors.iter().for_each(|error| terminal::data(format_args!("    {error}")));
    }
    if store.result(&job).await?.is_some() {
        terminal::data("  a later attempt succeeded: the job has a result");
    }
    Ok(())
}

async fn retry(args: &args::FailuresRetry) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let name = &args.name;
    let Some(manifest) = store.manifest::<Manifest>(name).await? else {
        return Err(Failure::NoSweep { name: name.clone(), store: store.place() });
    };
    let frozen = Frozen::from_manifest(&manifest, Precision::F32).map_err(coordinator::FreezeError::from)?;
    let mut failed = failed_for_good(&store, Some(name)).await?;
    if !args.jobs.is_empty() {
        let mut wanted = Vec::with_capacity(args.jobs.len());
        for job in &args.jobs {
            wanted.push(the_job(&store, job).await?);
        }
        failed.retain(|record| wanted.contains(&record.job));
    }
    let queue = match &args.queue {
        Some(url) if !failed.is_empty() => Some(open_queue(url, &args.pool, args.store.s3.ca.as_ref(), None).await?),
        _ => None,
    };
    for record in &failed {
        store.clear_failures(&record.job).await?;
        if let Some(queue) = &queue {
            queue.publish(&frozen.job(record.meaning.clone()), name).await?;
        }
    }
    let count = failed.len();
    terminal::note(match (count, queue.is_some()) {
        (0, _) => "nothing to try again".to_owned(),
        (_, true) => format!("{count} jobs are in the queue again; `bowline run` takes their results in"),
        (_, false) => format!("the failures of {count} jobs are forgotten; `bowline run` tries them again"),
    });
    Ok(())
}

/// The last record of every job that failed for good and has no result, of one sweep or all.
async fn failed_for_good(store: &Store, sweep: Option<&str>) -> Result<Vec<FailureRecord>, Failure> {
    if let Some(name) = sweep
        && store.manifest::<Manifest>(name).await?.is_none()
    {
        return Err(Failure::NoSweep { name: name.to_owned(), store: store.place() });
    }
    let mut failed = BTreeMap::new();
    let mut pages = store.all_failures().await?;
    while let Some(page) = pages.next_page().await? {
        for record in page {
            match record {
                Ok(record) if record.is_final && sweep.is_none_or(|sweep| record.sweep.as_deref() == Some(sweep)) => {
                    failed.insert(record.job, record);
                }
                Ok(_) => {}
                Err(error) => terminal::note(format_args!("warning: {}", terminal::in_one_line(&error))),
            }
        }
    }
    // A job may have failed in one run and succeeded in another.
    let jobs: Vec<JobId> = failed.keys().copied().collect();
    for (job, result) in jobs.iter().zip(store.results_of(&jobs).await) {
        if result?.is_some() {
            failed.remove(job);
        }
    }
    Ok(failed.into_values().collect())
}

/// Failures grouped by their errors, the most frequent first.
fn by_kind(failed: &[FailureRecord]) -> Vec<FailureKind> {
    let mut kinds: BTreeMap<&[String], FailureKind> = BTreeMap::new();
    for record in failed {
        match kinds.entry(&record.errors) {
            Entry::Occupied(mut kind) => kind.get_mut().jobs += 1,
            Entry::Vacant(none) => {
                none.insert(FailureKind { errors: record.errors.clone(), jobs: 1, example: record.job });
            }
        }
    }
    let mut kinds: Vec<FailureKind> = kinds.into_values().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.jobs));
    kinds
}

/// The failed job whose id begins so.
async fn the_job(store: &Store, text: &str) -> Result<JobId, Failure> {
    let matching: Vec<JobId> = match text.parse() {
        Ok(job) => vec![job],
        Err(_) => {
            let jobs = store.jobs_with_failures().await?;
            jobs.into_iter().filter(|job| job.to_string().starts_with(text)).collect()
        }
    };
    match matching.as_slice() {
        [job] => Ok(*job),
        found => Err(Failure::WhichJob { text: text.to_owned(), found: found.len() }),
    }
}
