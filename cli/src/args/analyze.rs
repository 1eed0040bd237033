//! `bowline analyze`.

use super::S3Args;
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;
use store::Location;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables for the terminal
    Table,
    /// Markdown
    Markdown,
    /// LaTeX, one `tabular` after the other; needs the package `booktabs`
    Latex,
    /// CSV, one table after the other: shares in [0, 1] with all their digits
    Csv,
    /// The summary and the tables as JSON
    Json,
}

/// A table of `bowline analyze`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableName {
    /// Every row of the sweep on every task of both splits, with 95 % intervals of the means
    Accuracy,
    /// The same, divided by the accuracy of each task's own adapter
    Normalised,
    /// Hits@1, 3, 5 and 10 of a joint benchmark
    Hits,
    /// Published figures beside those of the sweep, with the difference and known defects
    Published,
    /// The best merge of each method, with its parameters
    Best,
    /// The best trade-offs between the goals of the sweep file, and the volume below them
    Front,
    /// The difference of each merge to the chosen one on the same examples, and which are a tie
    Differences,
    /// Mean and standard deviation of the rows with replicates, beside their best seed
    Replicates,
    /// What the recipes reach when they merge subsets of the tasks, by the number of tasks
    Subsets,
    /// What each recipe reaches with the adapters of each variant of the sweep file
    Variants,
    /// How alike the updates act on the same inputs, if `bowline check --similarity` measured it
    Similarity,
    /// The best merges overall
    Top,
    /// Mean and standard deviation of recipes with several seeds
    Seeds,
    /// The adapters that the sweep trained: steps, loss, accuracy and time
    Training,
    /// The same after each job of their training
    Learning,
    /// Which parameters matter
    Importance,
    /// The time that the jobs of each method took, and how many of them other sweeps share
    Cost,
    /// The errors of failed jobs, by kind
    Failures,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Without `--table` it prints the main tables: the accuracies on the report split, the best merge of each \
    method, the differences to the chosen recipe, and, if there are any, replicates, subsets, variants and failures."
)]
pub(crate) struct Analyze {
    /// The store of results: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "STORE", default_value = "bowline-results", env = "BOWLINE_STORE", hide_env_values = true)]
    pub(crate) store: Location,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    /// A sweep to show; repeat it for each sweep [default: all in the store]
    #[arg(long = "sweep", value_name = "NAME")]
    pub(crate) sweeps: Vec<String>,
    /// A table to print; repeat it for each table
    #[arg(long = "table", value_name = "NAME", value_enum)]
    pub(crate) tables: Vec<TableName>,
    /// The output format
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) format: Output,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// The number of best merges in the tables `top` and `seeds`
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: u32,
    /// Compare two sweeps: the chosen recipes task by task, and the rows that both have
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["sweeps", "tables"])]
    pub(crate) compare: Vec<String>,
    /// A folder to write everything into: `results.csv` and `results.parquet` with one row for each job, and for each sweep
    /// its report as `SWEEP/report.html`, all tables as Markdown, LaTeX and CSV in `SWEEP/tables`, and charts as SVG and PNG
    /// in `SWEEP/charts`; with several sweeps, `report.html` with all their tables and charts
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
