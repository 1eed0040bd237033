//! What the command line says.

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};
use store::Location;
use url::Url;

/// Sweeps over LoRA merges: exact KnOTS, TIES, DARE, TSV and Iso merges, evaluated and compared.
#[derive(Debug, Parser)]
#[command(name = "bowline", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 2 usage, 3 some jobs failed, 65 bad input, 69 a service or device is \
    unreachable, 70 a bug, 75 interrupted and safe to run again.")]
pub(crate) struct Args {
    /// Say more on standard error; twice for everything
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    /// How events are written on standard error: lines for people, or a JSON object a line
    #[arg(long, value_name = "FORM", value_enum, default_value_t = LogFormat::Lines, env = "BOWLINE_LOG_FORMAT", global = true)]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a sweep: search, evaluate the winner on the test split, write it as an adapter
    Run(Run),
    /// Check a sweep file and its inputs, count the jobs, run nothing
    Plan(Plan),
    /// Take jobs from a queue, merge, evaluate, and store the results
    Worker(Worker),
    /// Say how far a sweep has come
    Status(Status),
    /// Follow a sweep: progress, workers, failures
    Watch(Watch),
    /// Drop what is left of a sweep
    Cancel(Cancel),
    /// List the sweeps of a store, or remove one
    Sweeps(Sweeps),
    /// End the searches of a sweep where they are: evaluate the best so far on the report split, and write it
    Finish(Finish),
    /// Look into failed jobs, and try them again
    Failures(Failures),
    /// Merge adapters into a PEFT adapter or a full model
    Merge(Merge),
    /// Evaluate one recipe on the tasks of a sweep
    Evaluate(Evaluate),
    /// Build class vectors from class names and templates with the text tower
    Heads(Heads),
    /// Turn stored results into tables
    Analyze(Analyze),
    /// Check device, store, queue and model
    Doctor(Doctor),
    /// Ask a running worker or run how it is
    Probe(Probe),
    /// Make what a Kubernetes cluster is given
    K8s(K8s),
}

/// The form of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Lines,
    Json,
}

/// What is shown while a command goes on.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ListenArgs {
    /// Show `/metrics`, `/healthz` and `/readyz` over HTTP at this address, such as `0.0.0.0:9464`
    #[arg(long, value_name = "ADDRESS:PORT", env = "BOWLINE_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
}

/// Where results are kept.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// Where results are kept: a folder, or `s3://bucket/prefix`
    #[arg(
        long,
        value_name = "FOLDER|URL",
        default_value = "bowline-results",
        env = "BOWLINE_STORE",
        hide_env_values = true
    )]
    pub(crate) store: Location,
    #[command(flatten)]
    pub(crate) s3: S3Args,
}

/// How to reach a store in a bucket. Credentials come from where other AWS tools take them.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct S3Args {
    /// The S3 server, if it is not AWS; `AWS_ENDPOINT_URL` says the same
    #[arg(long, value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// A file of PEM certificates that vouch for the store and the queue, beside the system's own
    #[arg(long, value_name = "FILE", env = "BOWLINE_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// The folder that inputs from buckets are fetched into, once for all processes; below the user's cache folder
    /// unless given
    #[arg(long, value_name = "FOLDER", env = "BOWLINE_INPUT_CACHE")]
    pub(crate) input_cache: Option<PathBuf>,
}

/// Where jobs travel.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PoolArgs {
    /// The pool of workers: its queues on the broker are `bowline.jobs.POOL` and so on
    #[arg(long, value_name = "POOL", default_value = "default", env = "BOWLINE_POOL")]
    pub(crate) pool: String,
}

/// An address that may hold a password: shown to nobody.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for whoever opens the connection.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
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
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// Print one JSON document instead of tables
    #[arg(long)]
    pub(crate) json: bool,
    /// Hand the jobs to workers through this broker (`amqp://user:password@host/vhost`), instead of computing them here
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
    /// Keep this many jobs in the queue at least; it grows with the workers
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub(crate) window: usize,
    /// Try jobs again that failed for good in an earlier run
    #[arg(long)]
    pub(crate) retry_failed: bool,
    /// Compute jobs again whose stored result is corrupt; what lay there is kept under `set-aside/` in the store
    #[arg(long)]
    pub(crate) repair: bool,
    /// Run this command in a shell when the run ends; `BOWLINE_SWEEP`, `BOWLINE_ENDED`, `BOWLINE_EXIT_CODE` and
    /// `BOWLINE_MESSAGE` say how
    #[arg(long, value_name = "COMMAND")]
    pub(crate) on_end: Option<String>,
    /// End when more jobs than this have failed for good
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<u64>,
    /// End when the base model itself fails, or when so many jobs in a row fail for the same reason; 0 goes on
    #[arg(long, value_name = "N", default_value_t = coordinator::DEFAULT_BRAKE)]
    pub(crate) brake: u64,
    /// End after so long: seconds, or a number with `m`, `h` or `d`; the same command goes on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) max_time: Option<Duration>,
    /// End when the sweep's jobs have computed for so many hours in all, over all of its runs
    #[arg(long, value_name = "HOURS", value_parser = hours)]
    pub(crate) max_device_hours: Option<Duration>,
    /// Refuse a sweep with more jobs than this, unless `--yes` is given
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) max_jobs: u64,
    /// Start, however many jobs there are
    #[arg(long)]
    pub(crate) yes: bool,
}

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
    /// Base models that are kept in memory, with all that was computed from them
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) keep_models: usize,
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
    #[command(flatten)]
    pub(crate) s3: S3Args,
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
    /// Compute jobs again whose stored result is corrupt; what lay there is kept under `set-aside/` in the store
    #[arg(long)]
    pub(crate) repair: bool,
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
    #[command(flatten)]
    pub(crate) s3: S3Args,
}

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
    /// The same over what each task's own adapter reaches
    Normalised,
    /// Hits@1, 3, 5 and 10 of a joint benchmark
    Hits,
    /// The best merge of each method, with its parameters
    Best,
    /// By how much each merge differs from the chosen one on the same examples, and which are a tie
    Differences,
    /// The best merges of all
    Top,
    /// Mean and standard deviation of recipes that were computed with several seeds
    Seeds,
    /// Which parameters matter
    Importance,
    /// What the jobs of each method took, and how many of them other sweeps share
    Cost,
    /// The errors of failed jobs, by kind
    Failures,
}

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Without `--table` it prints what a person wants first: the accuracies on the report split, the best \
    of each method, the differences to the chosen recipe, and failures, if there are any."
)]
pub(crate) struct Analyze {
    /// Where results are kept: a folder, or `s3://bucket/prefix`
    #[arg(value_name = "STORE", default_value = "bowline-results", env = "BOWLINE_STORE", hide_env_values = true)]
    pub(crate) store: Location,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    /// A sweep to show, once for each; all of the store unless given
    #[arg(long = "sweep", value_name = "NAME")]
    pub(crate) sweeps: Vec<String>,
    /// A table to print, once for each
    #[arg(long = "table", value_name = "NAME", value_enum)]
    pub(crate) tables: Vec<TableName>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(crate) format: Output,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    /// How many of the best merges the table `top` has, and `seeds`
    #[arg(long, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) top: u32,
    /// Compare two sweeps instead: what they chose, task by task, and the rows that both have
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["sweeps", "tables"])]
    pub(crate) compare: Vec<String>,
    /// A folder to write everything into: `results.csv` and `results.parquet` with one row for each job, and for each sweep
    /// its report as `SWEEP/report.html`, all tables as Markdown, LaTeX and CSV in `SWEEP/tables`, and pictures as SVG and PNG
    /// in `SWEEP/pictures`
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
    /// A broker to check: `amqp://user:password@host/vhost`
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
    /// The broker's management address, to look at its policies; `http://HOST:15672`, or
    /// `https://HOST:15671` with `amqps://`, unless given
    #[arg(long, value_name = "URL")]
    pub(crate) management: Option<Secret>,
    /// The longest that one job may take on its workers, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1500)]
    pub(crate) job_limit: u64,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
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
