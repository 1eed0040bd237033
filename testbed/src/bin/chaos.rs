//! `chaos`: sweeps over a cluster under injected faults. `scripts/chaos` builds and runs it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that a person runs")]

use clap::Parser;
use std::{path::PathBuf, process::ExitCode, time::Duration};
use testbed::{
    Broker, Failure,
    chaos::{Report, Settings, run},
    log_to_stderr,
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
#[command(about = "Runs simulated sweeps under injected faults, and checks that no job is lost or doubled")]
struct Args {
    /// Start sweeps until this time has passed; at least one runs
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Seed of the faults; random by default
    #[arg(long)]
    seed: Option<u64>,
    /// Number of workers
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Duration of a job
    #[arg(long, default_value_t = 400)]
    job_ms: u64,
    /// How often each fault is injected into a sweep that lasts long enough
    #[arg(long, alias = "deals", default_value_t = 1)]
    repeats: u32,
    /// Let the points of the searches race: most jobs are then evaluations on slices of the examples
    #[arg(long)]
    racing: bool,
    /// Folder for logs and data; by default a temporary one, kept if a guarantee is broken
    #[arg(long)]
    folder: Option<PathBuf>,
    /// External broker, which is not restarted, in place of a private one
    #[arg(long, env = "BOWLINE_TEST_AMQP_URL", hide_env_values = true)]
    amqp: Option<String>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("another TLS provider was installed before");
    }
    log_to_stderr("warn,testbed=info");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run_chaos(&args))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("chaos: {}", jobs::error_chain(&*failure));
            ExitCode::from(70)
        }
    }
}

/// Whether all guarantees held.
async fn run_chaos(args: &Args) -> Result<bool, Failure> {
    let temporary = tempfile::Builder::new().prefix("bowline-chaos-").tempdir()?;
    let folder = args.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let seed = args.seed.unwrap_or_else(|| fastrand::u64(1..1_000_000));
    println!("seed {seed}");
    let Some(mut broker) = broker(args, &folder).await? else {
        println!("skipped: no RabbitMQ can be started, and BOWLINE_TEST_AMQP_URL is not set");
        return Ok(true);
    };
    let settings = Settings {
        seed,
        lasts: Duration::from_secs_f64(args.minutes * 60.0),
        workers: args.workers,
        job: Duration::from_millis(args.job_ms),
        repeats: args.repeats,
        racing: args.racing,
        densities: 20,
        scalings: 20,
        limit: Duration::from_secs(600) + args.repeats * Duration::from_secs(120),
        programs: programs()?,
        folder: folder.clone(),
    };
    let report: Report = tokio::select! {
        report = run(&settings, &mut broker) => report?,
        () = shutdown_requested() => return Err("interrupted".into()),
    };
    println!("{report}");
    if report.violations.is_empty() {
        return Ok(true);
    }
    println!("logs and data are kept in {}", folder.display());
    if args.folder.is_none() {
        drop(temporary.keep());
    }
    Ok(false)
}

/// Waits for SIGINT or SIGTERM. Dropped handles then end all processes that were started.
async fn shutdown_requested() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

async fn broker(args: &Args, folder: &std::path::Path) -> Result<Option<Broker>, Failure> {
    match &args.amqp {
        Some(address) => Ok(Some(Broker::external(address.clone()))),
        None => Broker::start(&folder.join("broker")).await,
    }
}

/// The folder of this program, where the others are built.
fn programs() -> Result<PathBuf, Failure> {
    let here = std::env::current_exe()?;
    Ok(here.parent().ok_or("this program lies in no folder")?.to_owned())
}
