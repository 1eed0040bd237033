mod workers;

use crate::{
    args,
    clock::{now_ms, span},
    failure::{Failure, StoredFailure},
    interrupt::Interrupts,
    local::runtime,
    remote::existing_store,
    revised,
    terminal::{self, Block},
};
use analysis::{Sweeps, fixed};
use jobs::{Progress, WorkerStatus};
use serde::Serialize;
use std::time::Duration;
use store::Store;
use tokio::time::sleep;
use workers::{Seen, millis, skew};

/// A worker whose heartbeat is older is shown as missing.
const MISSING_AFTER_MS: u64 = 45_000;

/// A worker whose heartbeat is older is not shown.
const HIDDEN_AFTER_MS: u64 = 3_600_000;

/// Kinds of failures that are shown.
const MAX_KINDS: usize = 5;

/// The state of a sweep, as `watch --json` prints it.
#[derive(Debug, Serialize)]
struct Look {
    sweep: String,
    /// The newest revision.
    revision: u32,
    cancelled: bool,
    /// The last progress of the coordinator; `None` if none has run yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// The age of the progress in milliseconds, by the store's clock.
    #[serde(rename = "told_ms_ago", skip_serializing_if = "Option::is_none")]
    progress_age_ms: Option<u64>,
    /// Milliseconds by which the coordinator's clock is ahead of the store's; negative where it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<i64>,
    /// Seconds to the end, at the present rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    eta_s: Option<f64>,
    workers: Vec<Seen>,
}

/// `bowline watch`: follows a sweep until it ends.
pub(crate) fn run(args: &args::Watch) -> Result<(), Failure> {
    let runtime = runtime()?;
    let interrupts = Interrupts::listen(&runtime);
    interrupts.graceful(1, |signals| {
        runtime.block_on(async {
            tokio::select! {
                watched = watch(args) => watched,
                // Interrupting `watch` is no failure.
                () = signals.first() => Ok(()),
            }
        })
    })
}

async fn watch(args: &args::Watch) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let name = sweep_name(&store, args.name.as_deref()).await?;
    let mut block = Block::default();
    loop {
        let look = look(&store, &name).await?;
        if args.output.json {
            terminal::data(serde_json::to_string(&look).expect("a look is plain data"))
        } else {
            block.show(&text(&look))
        }
        // The reader is gone: `bowline watch --json | grep -m1 …` has its line.
        if terminal::is_stdout_closed() {
            return Ok(());
        }
        if args.once || look.progress.as_ref().is_some_and(|progress| progress.ended.is_some()) {
            return Ok(());
        }
        sleep(Duration::from_secs(args.interval)).await;
    }
}

/// The sweep to watch: the requested one, or the only one.
async fn sweep_name(store: &Store, asked: Option<&str>) -> Result<String, Failure> {
    let no_sweep = |name: &str| Failure::Stored(StoredFailure::NoSweep { name: name.to_owned(), store: store.place() });
    if let Some(name) = asked {
        return match store.newest_revision(name).await? {
            0 => Err(no_sweep(name)),
            _ => Ok(name.to_owned()),
        };
    }
    let mut names = Sweeps::names(store).await?;
    match names.len() {
        1 => Ok(names.remove(0)),
        _ => Err(Failure::Stored(StoredFailure::WhichSweep { store: store.place(), names })),
    }
}

async fn look(store: &Store, name: &str) -> Result<Look, Failure> {
    let revision = store.newest_revision(name).await?;
    let progress = match store.dated_document::<Progress>(name, Progress::DOCUMENT).await {
        // The next one is written within seconds.
        Err(error) if error.is_of_one_object() => {
            terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
            None
        }
        progress => progress?,
    };
    // The progress of an earlier revision says nothing about this one.
    let progress = progress.filter(|progress| progress.content.revision >= revision);
    let cancelled = store.cancellation(name).await?.is_some_and(|mark| mark.is_requested_for(revision));
    let now = now_ms();
    let mut workers = Vec::new();
    for (_, worker) in store.dated_workers::<WorkerStatus>().await? {
        match worker.map(|worker| Seen::new(worker, now)) {
            Ok(worker) if worker.heartbeat_age_ms < HIDDEN_AFTER_MS => workers.push(worker),
            Ok(_) => {}
            Err(error) => terminal::note(format_args!("warning: {}", jobs::error_line(&error))),
        }
    }
    let progress_age_ms = progress.as_ref().map(|progress| millis(progress.age(progress.content.updated_ms, now)));
    let clock_ahead_ms = progress.as_ref().and_then(|progress| progress.skew_ms(progress.content.updated_ms));
    let progress = progress.map(|progress| progress.content);
    let left = progress.as_ref().map(|progress| progress.bound.saturating_sub(done(progress)));
    let rate = progress.as_ref().and_then(|progress| progress.rate);
    Ok(Look {
        sweep: name.to_owned(),
        revision,
        cancelled,
        progress_age_ms,
        clock_ahead_ms,
        eta_s: left.zip(rate).map(|(left, rate)| left as f64 / rate),
        progress,
        workers,
    })
}

fn done(progress: &Progress) -> u64 {
    progress.run + progress.reused + progress.failed
}

fn text(look: &Look) -> String {
    let mut lines = vec![headline(look)];
    if let Some(progress) = &look.progress {
        lines.extend(progress_lines(look, progress));
    }
    let pool = look.progress.as_ref().and_then(|progress| progress.pool.as_deref());
    lines.extend(workers::lines(&look.workers, pool));
    // Messages and names in it come from other programs.
    lines.iter().map(|line| jobs::escaped(line)).collect::<Vec<_>>().join("\n")
}

fn headline(look: &Look) -> String {
    let state = match (&look.progress, look.progress_age_ms) {
        (None, _) => "no coordinator has run it yet".to_owned(),
        (Some(Progress { ended: Some(ended), .. }), _) => ended.clone(),
        (Some(progress), Some(ms)) if ms < MISSING_AFTER_MS => {
            progress.phase.clone().unwrap_or_else(|| "starting".to_owned())
        }
        (Some(_), ms) => format!("no heartbeat of the coordinator for {}", span(ms.unwrap_or_default() as f64 / 1e3)),
    };
    let cancelled = if look.cancelled { " (cancelled)" } else { "" };
    format!("{}{}: {state}{cancelled}", look.sweep, revised::behind_name(look.revision))
}

fn progress_lines(look: &Look, progress: &Progress) -> Vec<String> {
    let Progress { bound, run, reused, failed, outstanding, .. } = progress;
    let mut lines = vec![format!(
        "  {} of at most {bound} jobs: {run} run, {reused} reused, {failed} failed; {outstanding} on their way",
        done(progress)
    )];
    let elapsed = span(progress.updated_ms.saturating_sub(progress.started_ms) as f64 / 1e3);
    let rate = progress
        .rate
        .map(|rate| if rate < 1.0 { format!(", {:.1} jobs/min", rate * 60.0) } else { format!(", {rate:.1} jobs/s") });
    let eta = look.eta_s.filter(|_| progress.ended.is_none()).map(|eta| format!(", about {} to go", span(eta)));
    let skew = look.clock_ahead_ms.and_then(skew).map(|skew| format!("; the coordinator's {skew}"));
    let parts = [rate, eta, skew].map(Option::unwrap_or_default).concat();
    lines.push(format!("  {elapsed}{parts}"));
    if let Some(best) = &progress.best {
        lines.push(format!("  best {}: {} {}", fixed(best.value, 4), best.search, jobs::canonical_json(&best.spec)));
    }
    for kind in progress.failures.iter().take(MAX_KINDS) {
        lines.push(format!("  {} failed: {} (job {})", kind.jobs, kind.errors.join(": "), kind.example.short()));
    }
    if progress.failures.len() > MAX_KINDS {
        let more = progress.failures.len() - MAX_KINDS;
        lines.push(format!("  {more} more kinds of failures: `bowline failures list {}`", look.sweep));
    }
    lines
}
