//! The commands for the sweeps in a store.

use super::{BrokerArgs, ComputeArgs, ConditionsArgs, OutputArgs, StoreArgs, StoredSweepArgs};
use clap::{Args as ClapArgs, Subcommand};

#[derive(Debug, ClapArgs)]
pub(crate) struct Status {
    /// The sweep's name [default: every sweep in the store]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Ids stand in the JSON of `bowline analyze`, in `merge.json` of a winner, in reports and in the names of files in the store."
)]
pub(crate) struct Show {
    /// The id of a job, or a unique prefix of it
    #[arg(value_name = "ID")]
    pub(crate) job: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Finish {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) conditions: ConditionsArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) publish: BrokerArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sweeps {
    #[command(subcommand)]
    pub(crate) command: SweepsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepsCommand {
    /// List the sweeps in a store: revision, state, jobs, dates, and the chosen recipe
    List(SweepsList),
    /// Show a sweep: its state, its inputs, what it searches and chose, and where its report is
    Show(SweepsShow),
    /// Remove a sweep from a store; its results stay available to other sweeps
    Remove(SweepsRemove),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepsList {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepsShow {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct SweepsRemove {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    /// Also remove the results of its jobs, except those that another sweep in the store uses
    #[arg(long)]
    pub(crate) results: bool,
    /// Remove it even if a run of it seems to be active
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
}
