//! The arguments of the command line.

mod analyze;
mod authoring;
mod cluster;
mod export;
mod failures;
mod finetune;
mod init;
mod serve;
mod shared;
mod sweeps;

pub(crate) use analyze::{Analyze, Output, TableName};
pub(crate) use authoring::{Completions, Man, Schema, SchemaOf};
pub(crate) use cluster::{Cancel, K8s, K8sCommand, K8sRender, Probe, Watch, Worker};
pub(crate) use export::{Export, ExportTool};
pub(crate) use failures::{Failures, FailuresCommand, FailuresList, FailuresRetry, FailuresShow};
pub(crate) use finetune::Finetune;
pub(crate) use init::Init;
pub(crate) use serve::Serve;
pub(crate) use shared::{
    BrokerArgs, ComputeArgs, ConditionsArgs, ListenArgs, OutputArgs, PoolArgs, RepairArgs, S3Args, Secret, StoreArgs,
    StoredSweepArgs, SweepArgs, VariantArgs,
};
pub(crate) use sweeps::{Finish, Show, Status, Sweeps, SweepsCommand, SweepsList, SweepsRemove, SweepsShow};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::{num::NonZeroU64, path::PathBuf, time::Duration};

/// Sweeps over LoRA merges: exact KnOTS, TIES, DARE, TSV and Iso merges, evaluated and compared.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 2 usage, 3 some jobs failed, 65 bad input, 69 a service or device is \
    unreachable, 70 a bug, 75 interrupted, or a file was truncated while it was in use: safe to run again.")]
pub(crate) struct Args {
    /// Log more to standard error; give it twice for all details
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// Print no notes and no progress on standard error, only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// When to use colours and bold text: `auto` does on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto, global = true)]
    pub(crate) color: Colour,
    /// The format of log events on standard error: plain lines, or one JSON object per line
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogFormat::Lines, env = "BOWLINE_LOG_FORMAT", global = true)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Draft a sweep file from a base, adapters and data sets
    Init(Init),
    /// Run a sweep: search, evaluate the winner on the test split, write it as an adapter
    Run(Run),
    /// Check a sweep file and its inputs, count the jobs, run nothing
    Plan(Plan),
    /// Take jobs from a queue, merge, evaluate, and store the results
    Worker(Worker),
    /// Show the progress of a sweep
    Status(Status),
    /// Follow a sweep: progress, workers and failures
    Watch(Watch),
    /// Show the reports of a store in a browser, also of sweeps that run, and keep them up to date
    Serve(Serve),
    /// Cancel a sweep: drop its remaining jobs
    Cancel(Cancel),
    /// List the sweeps in a store, or remove one
    Sweeps(Sweeps),
    /// Show a job by its id: recipe, scores, files, times, and where it comes from
    Show(Show),
    /// Stop the searches of a sweep now: evaluate the best recipe so far on the report split, and write it
    Finish(Finish),
    /// Show failed jobs, and retry them
    Failures(Failures),
    /// Train the LoRA adapter of one task on the base model of a sweep
    Finetune(Finetune),
    /// Merge adapters into a PEFT adapter or a full model
    Merge(Merge),
    /// Evaluate one recipe on the tasks of a sweep
    Evaluate(Evaluate),
    /// Compare the adapters of a sweep with the base and with each other, before anything is merged
    Check(Check),
    /// Build class vectors from class names and templates with the text tower
    Heads(Heads),
    /// Make tables, charts and reports from stored results
    Analyze(Analyze),
    /// Export the runs of a sweep, or its winner, for W&B, MLflow, Trackio, spreadsheets or the Hugging Face hub
    Export(Export),
    /// Check the device, the store, the queue and a model
    Doctor(Doctor),
    /// Query the health of a running worker or run
    Probe(Probe),
    /// Render Kubernetes manifests
    K8s(K8s),
    /// Print the JSON schema of sweep files or of recipes, for completion and checks in an editor
    Schema(Schema),
    /// Print a script with which a shell completes commands and options
    Completions(Completions),
    /// Write manual pages
    Man(Man),
}

/// The format of log events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Lines,
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("listen", |arg| arg.help(
    "Serve `/metrics`, `/healthz` and `/readyz` over HTTP at this address, and at a loopback address such as `127.0.0.1:8064` \
    also the live report of the run, as `bowline serve` does"
)))]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) publish: BrokerArgs,
    /// The minimum number of jobs to keep in the queue; the actual number grows with the workers
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) window: usize,
    /// The priority of the sweep: workers of the pool take its jobs before those of sweeps with a lower priority
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, requires = "queue")]
    pub(crate) priority: i32,
    /// The approximate maximum number of workers of the pool that take jobs of this sweep at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), requires = "queue")]
    pub(crate) max_workers: Option<u32>,
    /// Retry jobs that failed permanently in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    #[command(flatten)]
    pub(crate) repair: RepairArgs,
    /// Run this command in a shell when the run ends; the variables `BOWLINE_SWEEP`, `BOWLINE_ENDED`,
    /// `BOWLINE_EXIT_CODE` and `BOWLINE_MESSAGE` describe the end
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_end: Option<String>,
    /// Send a POST with a small JSON document to this URL when the run ends
    #[arg(long, value_name = "URL", env = "BOWLINE_ON_END_URL", hide_env_values = true)]
    pub(crate) on_end_url: Option<Secret>,
    #[command(flatten)]
    pub(crate) conditions: ConditionsArgs,
    /// Stop when more jobs than this have failed permanently
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<u64>,
    /// Stop when the base model itself fails, or when this many points of a search, or other jobs, fail for the same
    /// reason and none of them succeeds meanwhile; 0 never stops
    #[arg(long, value_name = "N", default_value_t = coordinator::DEFAULT_FAILURE_STREAK)]
    pub(crate) brake: u64,
    /// Stop after this time: seconds, or a number with `m`, `h` or `d`; the same command resumes the sweep
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) max_time: Option<Duration>,
    /// Stop when the jobs of the sweep have computed for this many hours in total, over all of its runs
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    pub(crate) max_device_hours: Option<Duration>,
    /// Refuse a sweep with more jobs than this, unless `--yes` is given
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_jobs: u64,
    /// Start, whatever the number of jobs
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Plan {
    /// Say what stays on a GPU with this much memory for data, in MiB (`--device-memory` of `run` and `worker`)
    #[arg(long, value_name = "MIB")]
    pub(crate) device_memory: Option<u64>,
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
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
    /// The base model: a folder, `hf://owner/name[@revision]` or `s3://bucket/folder`
    #[arg(long, value_name = "DIR")]
    pub(crate) base: String,
    /// The name of a task and its adapter; repeat it for each adapter
    #[arg(long = "adapter", value_name = "NAME=DIR", required = true)]
    pub(crate) adapters: Vec<String>,
    /// A YAML or JSON file with a recipe, such as `{preset: knots_ties, density: 0.2, scaling: 0.6}`
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: PathBuf,
    /// The folder to write; it must not exist, or must be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The format of the output
    #[arg(long, value_enum, default_value_t = Format::Peft)]
    pub(crate) format: Format,
    /// The name of a task and the folder of the statistics that a run has measured of it (`artefacts/JOB/DIGEST` of its
    /// store), for recipes that merge by statistics; repeat it for each adapter
    #[arg(long = "statistics", value_name = "NAME=DIR")]
    pub(crate) statistics: Vec<String>,
    /// Truncate every matrix to this rank, and report the loss
    #[arg(long, value_name = "N")]
    pub(crate) rank: Option<usize>,
    #[command(flatten)]
    pub(crate) s3: S3Args,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    /// A YAML or JSON file with the recipe; without it, the base model is evaluated
    #[arg(long, value_name = "FILE")]
    pub(crate) recipe: Option<PathBuf>,
    /// The split to evaluate on
    #[arg(long, default_value = "test")]
    pub(crate) split: String,
    #[command(flatten)]
    pub(crate) repair: RepairArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) conditions: ConditionsArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    #[command(flatten)]
    pub(crate) variant: VariantArgs,
    /// The split on which the adapters and the base are evaluated [default: the split that the sweep selects on]
    #[arg(long)]
    pub(crate) split: Option<String>,
    /// Compare the adapters with each other only, and evaluate nothing
    #[arg(long, conflicts_with = "split")]
    pub(crate) adapters_only: bool,
    /// Compare what the updates make of the same inputs as well: linear CKA, before and after an alignment
    #[arg(long, conflicts_with = "adapters_only")]
    pub(crate) similarity: bool,
    /// With `--similarity`: of each task, the first examples of the split `evaluation.statistics` whose inputs are taken
    #[arg(long, value_name = "N", default_value = "256", requires = "similarity")]
    pub(crate) examples: NonZeroU64,
    /// Write the tables and charts into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) repair: RepairArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) conditions: ConditionsArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Heads {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// The output folder: one safetensors file per task
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) s3: S3Args,
}

#[derive(Debug, ClapArgs)]
#[command(mut_arg("queue", |arg| arg.help("A broker to check: `amqp://user:password@host/vhost`")))]
pub(crate) struct Doctor {
    /// A model to load and to run once
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The broker's management address, to check its policies [default: `http://HOST:15672`, or `https://HOST:15671`
    /// with `amqps://`]
    #[arg(long, value_name = "URL")]
    pub(crate) management: Option<Secret>,
    /// The time limit of one job on the workers, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1500)]
    pub(crate) job_limit: u64,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
}

/// Reads a time: seconds, or a number with a unit.
fn time(text: &str) -> Result<Duration, String> {
    let (number, unit_s) = match text.char_indices().last() {
        Some((end, 's')) => (&text[..end], 1.0),
        Some((end, 'm')) => (&text[..end], 60.0),
        Some((end, 'h')) => (&text[..end], 3600.0),
        Some((end, 'd')) => (&text[..end], 86_400.0),
        _ => (text, 1.0),
    };
    let wrong = || format!("`{text}` is no time; write seconds, or a number with `m`, `h` or `d`, such as `90m`");
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit_s).map_err(|_| wrong())
}

fn hours(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no number of hours");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * 3600.0).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_keep_their_former_names() {
        let former = ["bowline", "run", "sweep.yaml", "--picture-memory", "7", "--picture-cache", "cache"];
        let Command::Run(run) = Args::try_parse_from(former).unwrap().command else { panic!("it is `run`") };
        assert_eq!((run.compute.image_memory, run.compute.example_cache), (7, Some("cache".into())));
    }

    #[test]
    fn times_have_units_and_are_seconds_without_one() {
        for (text, seconds) in [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("1d", 86_400.0)] {
            assert_eq!(time(text).unwrap(), Duration::from_secs_f64(seconds), "{text}");
        }
        for text in ["", "m", "-1", "1 fortnight", "NaN", "inf", "é"] {
            assert!(time(text).unwrap_err().contains("is no time"), "{text}");
        }
        assert_eq!(hours("0.5").unwrap(), Duration::from_secs(1800));
        assert!(hours("-1").is_err() && hours("1e300").is_err());
    }
}
