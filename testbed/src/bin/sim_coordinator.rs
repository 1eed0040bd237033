//! `sim-coordinator`: the coordinator of a simulated sweep. The testbed's programs start it.

use clap::Parser;
use coordinator::{Coordinator, Ended, Event, Retry, Settings, repair, survey};
use std::{process::ExitCode, sync::Arc, time::Duration};
use testbed::{Failure, SOME_FAILED, args::Cluster, end_with_parent, log_to_stderr, sim::SweepSpec};
use tracing::{error, info};

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    cluster: Cluster,
    #[command(flatten)]
    sweep: SweepSpec,
    /// Jobs in the queue at a time.
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// The time between two lookups of outstanding jobs.
    #[arg(long, default_value_t = 1000)]
    poll_ms: u64,
    /// How long a job may be missing before it is published again.
    #[arg(long, default_value_t = 4000)]
    lost_after_ms: u64,
    /// Compute jobs with corrupt stored results again.
    #[arg(long)]
    repair: bool,
}

/// As in `bowline`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    end_with_parent();
    log_to_stderr("info");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&args))) {
        Ok(Corrupt(0)) => ExitCode::SUCCESS,
        Ok(Corrupt(_)) => some_failed(),
        // A search ends without the results that normalise all others.
        Err(failure) if jobs::error_chain(&*failure).contains(CORRUPT) => some_failed(),
        Err(failure) => {
            error!(failure = jobs::error_chain(&*failure), "the coordinator ends");
            ExitCode::from(69)
        }
    }
}

fn some_failed() -> ExitCode {
    ExitCode::from(u8::try_from(SOME_FAILED).unwrap_or(u8::MAX))
}

/// How many jobs failed because their stored result is corrupt.
struct Corrupt(usize);

/// The words by which a failure says that the stored result of its job is corrupt.
const CORRUPT: &str = "the stored result of the job is corrupt";

async fn run(args: &Args) -> Result<Corrupt, Failure> {
    let store = args.cluster.store().await?;
    let queue = Arc::new(args.cluster.queue_of("coordinator", &args.sweep.sweep).await?);
    let frozen = args.sweep.frozen()?;
    let resume = if args.repair {
        repair(&frozen, &store, Retry::Machines).await?
    } else {
        survey(&frozen, &store, Retry::Machines).await?
    };
    info!(survey = ?resume.survey, "begins");
    let settings = Settings {
        window: args.window,
        poll: Duration::from_millis(args.poll_ms),
        tick: Duration::from_millis(args.poll_ms),
        lost_after: Duration::from_millis(args.lost_after_ms),
        repair: args.repair,
        pool: Some(args.cluster.pool.clone()),
        ..Settings::default()
    };
    let coordinator = Coordinator { publisher: Arc::clone(&queue) as Arc<_>, store, settings };
    let mut corrupt = 0;
    let mut note = |event: Event| {
        if let Event::Failed { label, errors, .. } = event {
            corrupt += usize::from(errors.iter().any(|error| error.contains(CORRUPT)));
            info!(label, errors = errors.join(": "), "failed");
        }
    };
    let report = coordinator.run(frozen, resume, &mut note, std::future::pending()).await?;
    // `bowline run` does the same at its end.
    let left = queue.delete_queue(&args.sweep.sweep).await?;
    info!(counts = ?report.counts, left, "ends");
    match report.ended {
        Ended::Finished(_) => Ok(Corrupt(corrupt)),
        _ if corrupt > 0 => Ok(Corrupt(corrupt)),
        ended => Err(format!("the sweep did not finish: {ended:?}").into()),
    }
}
