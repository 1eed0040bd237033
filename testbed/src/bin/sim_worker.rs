//! `sim-worker`: a worker of a cluster whose jobs are simulated. The testbed's programs start it.

use clap::Parser;
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use testbed::{
    Failure,
    args::Cluster,
    end_with_parent, log_to_stderr,
    sim::{SimInput, SimulatedCard, SimulatedDevice, Simulation, Workload},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
    time::sleep,
};
use tracing::{error, info};
use worker::{Limits, Worker, WorkerError};

/// As in `bowline`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a draining worker may take for its current job.
const GRACE: Duration = Duration::from_secs(10);

/// The most attempts at a job. Faults are random, and may hit the same job more than once.
const ATTEMPTS: u32 = 4;

#[derive(Debug, Parser)]
struct Args {
    #[command(flatten)]
    cluster: Cluster,
    /// The worker's name.
    #[arg(long)]
    name: String,
    /// A folder that all workers share.
    #[arg(long)]
    scratch: PathBuf,
    /// The file that each job reads.
    #[arg(long)]
    input: Option<PathBuf>,
    /// How long a job takes, beside the device.
    #[arg(long, default_value_t = 0)]
    job_ms: u64,
    /// The device that jobs wait for: `simulated:a40` or `simulated:h200`, with ViT-B/32
    #[arg(long)]
    device: Option<SimulatedCard>,
    /// The longest that a job may take.
    #[arg(long, default_value_t = 2000)]
    job_limit_ms: u64,
    /// Lost deliveries of a job before it is dead-lettered.
    #[arg(long, default_value_t = 5)]
    losses: u32,
    /// The time between two heartbeats
    #[arg(long, default_value_t = 1000)]
    heartbeat_ms: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    end_with_parent();
    log_to_stderr("info");
    if let Err(failure) = files::end_on_lost_pages() {
        error!(%failure, "a truncated mapped file ends this process without a message");
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!(worker = args.name, failure = jobs::error_chain(&*failure), "the worker ends");
            let hangs = matches!(failure.downcast_ref(), Some(WorkerError::Hangs(_)));
            ExitCode::from(if hangs { 75 } else { 69 })
        }
    }
}

fn run(args: &Args) -> Result<(), Failure> {
    // One thread, because there may be dozens of workers. Jobs run on a thread of their own.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(work(args));
    // The process does not wait for a job that hangs.
    runtime.shutdown_background();
    ended
}

async fn work(args: &Args) -> Result<(), Failure> {
    let mut listening = JoinSet::new();
    let signals = listen(&mut listening)?;
    let queue = args.cluster.queue(&args.name).await?;
    let store = args.cluster.store().await?;
    let compute = Simulation {
        takes: Duration::from_millis(args.job_ms),
        device: args.device.map(|card| SimulatedDevice::new(card, Workload::vit_b_32())),
        scratch: args.scratch.clone(),
        input: args.input.clone().map(SimInput::at),
    };
    let compute = compute.start();
    let consumer = Arc::new(queue.consumer()?);
    let ahead = Arc::new(consumer.second());
    let limits = Limits {
        // Longer than an input stays changed, so that a changed input does not use up the attempts of a job.
        back_off: Duration::from_millis(700),
        attempts: ATTEMPTS,
        wall_clock: Some(Duration::from_millis(args.job_limit_ms)),
        stopping: Duration::from_millis(500),
        losses: args.losses,
        ..Limits::default()
    };
    let worker = Worker::new(args.name.clone(), consumer.clone(), store, Arc::new(compute))
        .looking_ahead(ahead.clone())
        .serving(args.cluster.pool.as_str(), 1)
        .with_limits(limits)
        .with_heartbeat(Duration::from_millis(args.heartbeat_ms));
    let mut first = signals.clone();
    let mut second = signals.clone();
    let mut late = signals;
    let drain = async { wait_for(&mut first, 1).await };
    let now = async {
        tokio::select! {
            () = wait_for(&mut second, 2) => {}
            () = async { wait_for(&mut late, 1).await; sleep(GRACE).await } => {}
        }
    };
    let ended = worker.run_until(drain, now).await;
    ahead.close().await;
    consumer.close().await;
    info!(worker = args.name, ended = ?ended?, "the worker ends");
    Ok(())
}

/// Counts the shutdown signals that the worker receives.
fn listen(tasks: &mut JoinSet<()>) -> Result<watch::Receiver<u32>, Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, signals) = watch::channel(0);
    tasks.spawn(async move {
        while terminate.recv().await.is_some() {
            sender.send_modify(|times| *times += 1);
        }
    });
    Ok(signals)
}

async fn wait_for(signals: &mut watch::Receiver<u32>, times: u32) {
    if signals.wait_for(|signals| *signals >= times).await.is_err() {
        std::future::pending::<()>().await;
    }
}
