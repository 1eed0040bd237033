//! The commands for sweeps on many machines.

use super::{
    BrokerArgs, ComputeArgs, ConditionsArgs, ListenArgs, OutputArgs, PoolArgs, Secret, StoreArgs, StoredSweepArgs,
    SweepArgs,
};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use url::Url;

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// The broker to consume jobs from: `amqp://user:password@host/vhost`, or `amqps://` with TLS
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Secret,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// The worker's name in results and in `bowline watch` [default: host name and process id]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A folder that inputs may be read from; repeat it for each folder [default: the current folder]
    #[arg(long = "root", value_name = "DIR")]
    pub(crate) roots: Vec<PathBuf>,
    /// A bucket, or `bucket/prefix`, that inputs may come from; repeat it for each [default: every bucket that the
    /// credentials may read]
    #[arg(long = "bucket", value_name = "BUCKET[/PREFIX]")]
    pub(crate) buckets: Vec<String>,
    /// A hub repository, or an owner of repositories, that inputs may come from; repeat it for each [default: all]
    #[arg(long = "repository", value_name = "OWNER[/NAME]")]
    pub(crate) repositories: Vec<String>,
    /// The time limit for the computation of one job, in seconds; 0 means no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 1500)]
    pub(crate) job_limit: u64,
    /// The time limit for fetching and reading the inputs of one job, in seconds; 0 means no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400)]
    pub(crate) load_limit: u64,
    /// Attempts at a job before its failure is permanent, each on another machine where possible
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// Lost deliveries of a job before it is dead-lettered, each on another machine where possible
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_losses: u32,
    /// How long the current job may continue after SIGTERM, in seconds, before it is returned to the queue
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) grace: u64,
    /// Exit after this many seconds without a job
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_exit: Option<u64>,
    /// Exit when the queue or the store is unreachable for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) outage_limit: u64,
    #[command(flatten)]
    pub(crate) conditions: ConditionsArgs,
    /// The number of base models to keep in memory, with everything computed from them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_models: usize,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("json", |arg| arg.help("Print one line of JSON per refresh")))]
pub(crate) struct Watch {
    /// The sweep's name; optional if the store holds a single sweep
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The refresh interval in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interval: u64,
    /// Print the state once, and exit
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("queue", |arg| {
    arg.help("Also remove the sweep's jobs from the queue on this broker, even if the store does not know the sweep")
}))]
pub(crate) struct Cancel {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    /// Also stop running jobs, instead of letting them finish
    #[arg(long)]
    pub(crate) now: bool,
    /// Undo the cancellation: `bowline run` can then resume the sweep
    #[arg(long, conflicts_with = "now")]
    pub(crate) undo: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}

/// `bowline probe`
#[derive(Debug, ClapArgs)]
pub(crate) struct Probe {
    /// The URL to query, such as `http://127.0.0.1:9464/readyz`
    #[arg(value_name = "URL")]
    pub(crate) url: Url,
}

/// `bowline k8s`
#[derive(Debug, ClapArgs)]
pub(crate) struct K8s {
    #[command(subcommand)]
    pub(crate) command: K8sCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum K8sCommand {
    /// Print the coordinator Job of a sweep, for `kubectl apply -f -`
    Render(K8sRender),
}

/// `bowline k8s render`
#[derive(Debug, ClapArgs)]
pub(crate) struct K8sRender {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// The overlay of the cluster that runs the sweep, such as `k8s/overlays/a40`
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: PathBuf,
    /// Write the kustomization and the sweep file into this folder instead, for a GitOps repository
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
}
