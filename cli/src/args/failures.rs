//! `bowline failures`.

use super::{PoolArgs, Secret, StoreArgs};
use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(crate) struct Failures {
    #[command(subcommand)]
    pub(crate) command: FailuresCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum FailuresCommand {
    /// List failed jobs, grouped by error
    List(FailuresList),
    /// Show every attempt at a job
    Show(FailuresShow),
    /// Forget failures and hand their jobs to the queue again
    Retry(FailuresRetry),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FailuresList {
    /// The sweep's name; all failures of the store unless given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FailuresShow {
    /// The job's id, or the beginning of it
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FailuresRetry {
    /// The sweep's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Only this job, given by its id or the beginning of it; once for each
    #[arg(long = "job", value_name = "JOB")]
    pub(crate) jobs: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The broker; without it the failures are only forgotten, and the next `bowline run` tries the jobs again
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}
