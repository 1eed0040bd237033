//! `bowline failures`.

use super::{BrokerArgs, OutputArgs, StoreArgs, StoredSweepArgs};
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
    /// Delete the failure records and publish their jobs again
    Retry(FailuresRetry),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FailuresList {
    /// The sweep's name [default: all failures in the store]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FailuresShow {
    /// The job's id, or a unique prefix of it
    #[arg(value_name = "JOB")]
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("queue", |arg| {
    arg.help("The broker; without it, only the failure records are deleted, and the next `bowline run` retries the jobs")
}))]
pub(crate) struct FailuresRetry {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    /// Retry only this job, given by its id or a prefix of it; repeat it for each job
    #[arg(long = "job", value_name = "JOB")]
    pub(crate) jobs: Vec<String>,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
}
