//! What the command line says.

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Sweeps over LoRA merges: exact KnOTS, TIES, DARE, TSV and Iso merges, evaluated and compared.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 2 usage, 3 some jobs failed, 65 bad input, 69 a service or device is \
    unreachable, 70 a bug, 75 interrupted and safe to run again.")]
pub(crate) struct Args {
    /// Say more on standard error; twice for everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a sweep: search, evaluate the winner on the test split, write it as an adapter
    Run(Run),
    /// Check a sweep file and its inputs, count the jobs, run nothing
    Plan(Plan),
    /// Say how far a sweep has come
    Status(Status),
    /// Merge adapters into a PEFT adapter or a full model
    Merge(Merge),
    /// Evaluate one recipe on the tasks of a sweep
    Evaluate(Evaluate),
    /// Build class vectors from class names and templates with the text tower
    Heads(Heads),
    /// Turn stored results into tables
    Analyze(Analyze),
    /// Check device, store and model
    Doctor(Doctor),
}

/// Where results are kept.
#[derive(Debug, ClapArgs)]
pub(crate) struct StoreArgs {
    /// The folder that results are kept in
    #[arg(long, value_name = "FOLDER", default_value = "bowline-results")]
    pub(crate) store: PathBuf,
}

/// What computes.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ComputeArgs {
    /// `cpu`, or `cuda:N` in a build with the `cuda` feature
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Threads on a CPU; all physical cores unless told otherwise
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Memory for pictures that are kept between jobs, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    pub(crate) picture_memory: u64,
    /// Keep preprocessed pictures in this folder, for large data sets
    #[arg(long, value_name = "FOLDER")]
    pub(crate) picture_cache: Option<PathBuf>,
}

/// A sweep file and changes to it.
#[derive(Debug, ClapArgs)]
pub(crate) struct SweepArgs {
    /// The sweep file
    #[arg(value_name = "SWEEP.yaml")]
    pub(crate) sweep: PathBuf,
    /// Change a key of the sweep file, for instance `-o recipe.density=0.3`
    #[arg(short, long = "override", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Try jobs again that failed for good in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Refuse a sweep with more jobs than this
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_jobs: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

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

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A PEFT adapter: exact wherever the merge is low-rank
    Peft,
    /// The base model with the merge added to its weights
    Full,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Merge {
    /// The base model: a folder, or `hf://owner/name[@revision]`
    #[arg(long, value_name = "DIR")]
    pub(crate) base: String,
    /// An adapter and the name of its task; once for each
    #[arg(long = "adapter", value_name = "NAME=DIR", required = true)]
    pub(crate) adapters: Vec<String>,
    /// A YAML or JSON file with a recipe, such as `{preset: knots_ties, density: 0.2, scaling: 0.6}`
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    /// The folder to write; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Peft)]
    pub(crate) format: Format,
    /// Cut every matrix to this rank and report what is lost
    #[arg(long, value_name = "N")]
    pub(crate) rank: Option<usize>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// A YAML or JSON file with the recipe; the zero-shot model without one
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: Option<PathBuf>,
    /// The split
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    /// Print one JSON document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Heads {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// The folder to write one safetensors file for each task into
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table for the terminal
    Table,
    /// A Markdown table
    Markdown,
    /// The summary as JSON
    Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Analyze {
    /// The folder that results are kept in
    #[arg(value_name = "STORE", default_value = "bowline-results")]
    pub(crate) store: PathBuf,
    /// The sweeps to show; all of the store unless given
    #[arg(long = "sweep", value_name = "NAME")]
    pub(crate) sweeps: Vec<String>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) format: Output,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// A folder to write `results.csv` and `results.parquet` into: one row for each result and task
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// A model to load and run once
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}
