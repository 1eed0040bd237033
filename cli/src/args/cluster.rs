//! Sweeps on many machines.

use super::{ComputeArgs, ListenArgs, PoolArgs, Secret, StoreArgs, SweepArgs};
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;
use url::Url;

#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// The broker that jobs come from: `amqp://user:password@host/vhost`, or `amqps://` with TLS
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
    /// Its name in results and in `bowline watch`; the host's name and the process id unless given
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A folder below which inputs may be read, once for each; the current folder unless given
    #[arg(long = "root", value_name = "DIR")]
    pub(crate) roots: Vec<PathBuf>,
    /// A bucket, or `bucket/prefix`, that inputs may come from, once for each; all that the credentials open unless given
    #[arg(long = "bucket", value_name = "BUCKET[/PREFIX]")]
    pub(crate) buckets: Vec<String>,
    /// A repository of the hub, or the owner of some, that inputs may come from, once for each; all unless given
    #[arg(long = "repository", value_name = "OWNER[/NAME]")]
    pub(crate) repositories: Vec<String>,
    /// The longest that one job may compute, in seconds; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 1500)]
    pub(crate) job_limit: u64,
    /// The longest that fetching and reading the inputs of one job may take, in seconds; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value_t = 14_400)]
    pub(crate) load_limit: u64,
    /// Attempts at a job before its failure is final, on as many machines where there are so many
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// Times that a job may be lost, on as many machines where there are so many, before it is set aside
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_losses: u32,
    /// How long the job in hand may go on after SIGTERM, in seconds, before it goes back to the queue
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(crate) grace: u64,
    /// End when no job came for so long
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_exit: Option<u64>,
    /// End when queue or store are out of reach for so long
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) outage_limit: u64,
    /// Use a store that ignores the condition of a write: results may be replaced by those of another process
    #[arg(long)]
    pub(crate) unconditional_store: bool,
    /// Base models that are kept in memory, with all that was computed from them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_models: usize,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Watch {
    /// The sweep's name; may be left out where the store holds one sweep
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Look so often, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interval: u64,
    /// Look once
    #[arg(long)]
    pub(crate) once: bool,
    /// Print one line of JSON for each look
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cancel {
    /// The sweep's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Stop the jobs that are running as well, instead of letting them come to their end
    #[arg(long)]
    pub(crate) now: bool,
    /// Take it back: `bowline run` goes on with the sweep then
    #[arg(long, conflicts_with = "now")]
    pub(crate) undo: bool,
    /// Take the sweep's jobs out of the queue on this broker as well, whatever the name is and whether or not the store knows it
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}

/// `bowline probe`
#[derive(Debug, ClapArgs)]
pub(crate) struct Probe {
    /// What to ask, such as `http://127.0.0.1:9464/readyz`
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
    /// The overlay whose cluster is to run it, such as `k8s/overlays/a40`
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay: PathBuf,
    /// Write the kustomization and the sweep file into this folder instead, for a repository that a cluster follows
    #[arg(long, value_name = "DIR")]
    pub(crate) write: Option<PathBuf>,
}
