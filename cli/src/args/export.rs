use super::StoredSweepArgs;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Nothing is sent anywhere: the files are for the tools' own importers, and docs/exports.md has the commands. \
    A run is one model on one split. Candidates that a race decided about on a part of the examples are marked as raced, and have no \
    metrics."
)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) sweep: StoredSweepArgs,
    /// The tool to export to
    #[arg(long, value_name = "TOOL", value_enum)]
    pub(crate) to: ExportTool,
    /// The folder to write; it must not exist, or must be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// With `--to hf`: write a task's result into `.eval_results` as well, under this id of the task in the `eval.yaml` of its data
    /// set on the hub; repeat it for each task
    #[arg(long = "eval-task", value_name = "TASK=ID")]
    pub(crate) eval_tasks: Vec<String>,
}

/// A tool that imports what is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportTool {
    /// Weights & Biases: offline runs for `wandb sync`
    Wandb,
    /// MLflow: a folder `mlruns` of its file store
    Mlflow,
    /// Trackio: the runs, and a script that imports them
    Trackio,
    /// One line for each run
    Csv,
    /// The Hugging Face hub: the winner with a model card and its metrics
    Hf,
}
