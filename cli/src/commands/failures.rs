use crate::{
    args::{self, FailuresCommand},
    failed,
    failure::{Failure, StoredFailure},
    local::runtime,
    remote::{existing_store, rabbit_settings},
    terminal,
};
use analysis::Failures;
use coordinator::Frozen;
use futures_util::{StreamExt, TryStreamExt, stream};
use jobs::{FailureRecord, JobId, JobSpec, Manifest};
use queue::{JobPublisher, RabbitQueue};
use store::Store;

/// Jobs that are read at the same time.
const CONCURRENT: usize = 32;

/// `bowline failures`: lists failed jobs, shows attempts, and retries jobs.
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
    let failed = match &args.name {
        Some(name) => failed_in(&store, &frozen(&store, name).await?).await?,
        None => all_failed(&store).await?.records,
    };
    let kinds = Failures::by_kind(&failed);
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&kinds).expect("kinds are plain data"));
        return Ok(());
    }
    if kinds.is_empty() {
        terminal::data("no job has failed for good");
    }
    for kind in &kinds {
        let jobs = if kind.jobs == 1 { "job" } else { "jobs" };
        terminal::data(format_args!("{} {jobs}, for instance {}", kind.jobs, kind.example.short()));
        kind.errors.iter().for_each(|error| terminal::data(format_args!("    {}", jobs::escaped(error))));
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
            Err(error) => terminal::note(format_args!("warning: {}", jobs::error_line(&error))),
        }
    }
    let has_result = store.result(&job).await?.is_some() || store.artefact_result(&job).await?.is_some();
    if records.is_empty() && !has_result {
        return Err(Failure::Stored(StoredFailure::WhichJob { text: args.job.clone(), found: 0 }));
    }
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&records).expect("records are plain data"));
        return Ok(());
    }
    terminal::data(format_args!("job {job}"));
    if let Some(record) = records.first() {
        terminal::data(format_args!("  {}", what(&record.spec)));
    }
    for record in &records {
        let last = if record.is_final { ", for good" } else { "" };
        let worker = jobs::escaped(&record.worker);
        terminal::data(format_args!("  attempt {} on {worker} failed{last}:", record.attempt));
        record.errors.iter().for_each(|error| terminal::data(format_args!("    {}", jobs::escaped(error))));
    }
    if has_result {
        terminal::data("  a later attempt succeeded: the job has a result");
    }
    Ok(())
}

/// What a job was to do, in one line.
fn what(spec: &JobSpec) -> String {
    match spec {
        JobSpec::Evaluate(meaning) => {
            format!("{} on `{}`", jobs::canonical_json(&meaning.subject), jobs::escaped(&meaning.split))
        }
        JobSpec::Statistics(spec) => format!(
            "{} of `{}` over {} examples of `{}`",
            spec.what.name(),
            jobs::escaped(&spec.adapter.task),
            spec.examples,
            jobs::escaped(&spec.split)
        ),
        JobSpec::Layerwise(spec) => format!(
            "layers merged by {} over examples of `{}`",
            jobs::canonical_json(&spec.settings),
            jobs::escaped(&spec.split)
        ),
        JobSpec::Tune(spec) => format!(
            "coefficients by {} over examples of `{}`",
            jobs::canonical_json(&spec.settings),
            jobs::escaped(&spec.split)
        ),
        JobSpec::Train(spec) => format!(
            "training of `{}`, steps {} to {} of {} on `{}`",
            jobs::escaped(&spec.task),
            spec.leg.first + 1,
            spec.leg.end,
            spec.steps(),
            jobs::escaped(&spec.training.name)
        ),
        JobSpec::Write(spec) => format!("write the {} {}", spec.format.name(), jobs::canonical_json(&spec.recipe)),
    }
}

async fn retry(args: &args::FailuresRetry) -> Result<(), Failure> {
    let store = existing_store(&args.sweep.store).await?;
    let name = &args.sweep.name;
    let frozen = frozen(&store, name).await?;
    let mut failed = failed_in(&store, &frozen).await?;
    if !args.jobs.is_empty() {
        let mut wanted = Vec::with_capacity(args.jobs.len());
        for job in &args.jobs {
            wanted.push(the_job(&store, job).await?);
        }
        failed.retain(|record| wanted.contains(&record.job));
    }
    let queue = match &args.broker.queue {
        Some(url) if !failed.is_empty() => {
            let settings = rabbit_settings(url, &args.broker.pool, args.sweep.store.s3.ca.as_ref(), None)?;
            Some(RabbitQueue::connect(settings).await?)
        }
        _ => None,
    };
    let again = |record: &FailureRecord| {
        let store = &store;
        let queue = &queue;
        let job = frozen.job(record.spec.clone());
        async move {
            store.clear_failures(&job.id()).await?;
            match queue {
                Some(queue) => Ok(queue.publish(&job, name).await?),
                None => Ok::<_, Failure>(()),
            }
        }
    };
    stream::iter(failed.iter().map(again)).buffered(CONCURRENT).try_collect::<Vec<()>>().await?;
    let count = failed.len();
    terminal::note(match (count, queue.is_some()) {
        (0, _) => "nothing to try again".to_owned(),
        (_, true) => format!("{count} jobs are in the queue again; `bowline run` takes their results in"),
        (_, false) => format!("the failures of {count} jobs are forgotten; `bowline run` tries them again"),
    });
    Ok(())
}

/// The sweep's newest revision.
pub(super) async fn frozen(store: &Store, name: &str) -> Result<Frozen, Failure> {
    let Some(manifest) = store.manifest::<Manifest>(name).await? else {
        return Err(Failure::Stored(StoredFailure::NoSweep { name: name.to_owned(), store: store.place() }));
    };
    Ok(Frozen::from_manifest(&manifest).map_err(coordinator::FreezeError::from)?)
}

/// The last record of every job of a sweep that failed for good and has no result.
async fn failed_in(store: &Store, frozen: &Frozen) -> Result<Vec<FailureRecord>, Failure> {
    let failures = all_failed(store).await?;
    Ok(failed::of_sweep(store, frozen, &failures).await?.into_iter().cloned().collect())
}

/// All failures of the store. Prints a warning for those that cannot be read.
async fn all_failed(store: &Store) -> Result<Failures, Failure> {
    let failures = Failures::of_store(store).await?;
    for problem in &failures.problems {
        terminal::note(format_args!("warning: {}", jobs::error_line(problem)));
    }
    Ok(failures)
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
        found => Err(Failure::Stored(StoredFailure::WhichJob { text: text.to_owned(), found: found.len() })),
    }
}
