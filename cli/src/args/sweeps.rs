//! What a store holds of sweeps, and what is done with it.

use super::{ComputeArgs, PoolArgs, Secret, StoreArgs};
use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The sweep's name; every sweep of the store unless given
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Finish {
    /// The sweep's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Hand the jobs to workers through this broker, instead of computing them here
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sweeps {
    #[command(subcommand)]
    pub(crate) command: SweepsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepsCommand {
    /// List the sweeps of a store: revision, state, jobs, when, and what was chosen
    List(SweepsList),
    /// Remove a sweep from a store; its results stay, and other sweeps find them there
    Remove(SweepsRemove),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepsList {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepsRemove {
    /// The sweep's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Remove the results of its jobs as well, but for those that another sweep of the store has
    #[arg(long)]
    pub(crate) results: bool,
    /// Remove it although a run of it seems to be at work
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
