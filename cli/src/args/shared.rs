//! Arguments that several commands share.

use clap::Args as ClapArgs;
use std::{fmt, net::SocketAddr, path::PathBuf};
use store::Location;

/// What a running command shows over HTTP.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ListenArgs {
    /// Serve `/metrics`, `/healthz` and `/readyz` over HTTP at this address, such as `0.0.0.0:9464`
    #[arg(long, value_name = "ADDRESS:PORT", env = "BOWLINE_LISTEN")]
    pub(crate) listen: Option<SocketAddr>,
}

/// The store of results.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// The store of results: a folder, or `s3://bucket/prefix`
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
    /// The URL of the S3 server, if it is not AWS [env: AWS_ENDPOINT_URL]
    #[arg(long, value_name = "URL")]
    pub(crate) s3_endpoint: Option<String>,
    /// A PEM file of certificate authorities for the store and the queue, in addition to the system's
    #[arg(long, value_name = "FILE", env = "BOWLINE_CA")]
    pub(crate) ca: Option<PathBuf>,
    /// The cache folder for inputs from buckets, shared by all processes [default: a folder in the user's cache
    /// folder]
    #[arg(long, value_name = "FOLDER", env = "BOWLINE_INPUT_CACHE")]
    pub(crate) input_cache: Option<PathBuf>,
}

/// The pool that jobs belong to.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct PoolArgs {
    /// The pool of workers: its queues on the broker are `bowline.jobs.POOL` and so on
    #[arg(long, value_name = "POOL", default_value = "default", env = "BOWLINE_POOL")]
    pub(crate) pool: String,
}

/// A broker, and the pool whose queues are used on it. The help of `--queue` is that of a command that publishes jobs.
/// Other commands replace it.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct BrokerArgs {
    /// Publish the jobs to workers through this broker (`amqp://user:password@host/vhost`), and compute none here
    #[arg(long, value_name = "URL", env = "BOWLINE_QUEUE", hide_env_values = true)]
    pub(crate) queue: Option<Secret>,
    #[command(flatten)]
    pub(crate) pool: PoolArgs,
}

impl BrokerArgs {
    /// The pool whose workers compute the jobs; `None` if this process does.
    pub(crate) fn remote_pool(&self) -> Option<&str> {
        self.queue.as_ref().map(|_| self.pool.pool.as_str())
    }
}

/// A sweep in a store, by name.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoredSweepArgs {
    /// The sweep's name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// What a command that writes results accepts of its store.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ConditionsArgs {
    /// Accept a store that ignores conditional writes: another process may then overwrite results and revisions
    #[arg(long)]
    pub(crate) unconditional_store: bool,
}

/// What a command does with corrupt results.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct RepairArgs {
    /// Recompute jobs whose stored result is corrupt; the corrupt object moves to `set-aside/` in the store
    #[arg(long)]
    pub(crate) repair: bool,
}

/// The form of what a command prints.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct OutputArgs {
    /// Print one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// An address that may hold a password. It is never shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, to open the connection with.
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

/// The device, and the memory for data.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ComputeArgs {
    /// `cpu`; `cuda:N` in a build with the `cuda` feature; or `auto`, which is `cuda:0` in such a build, else `cpu`
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// The number of CPU threads [default: all physical cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Memory for preprocessed images that are kept between jobs, in MiB, for all bases together; larger splits need `--example-cache`
    #[arg(long, alias = "picture-memory", value_name = "MIB", default_value_t = 4096)]
    pub(crate) image_memory: u64,
    /// Memory of the GPU for data that is kept between jobs, in MiB, for all bases together [default: that of `--image-memory`]
    #[arg(long, value_name = "MIB")]
    pub(crate) device_memory: Option<u64>,
    /// Keep preprocessed images and tokenised texts in this folder, for large data sets
    #[arg(long, alias = "picture-cache", value_name = "FOLDER")]
    pub(crate) example_cache: Option<PathBuf>,
    /// Run the commands of sweeps (`evaluation.command`) with the rights of this process
    #[arg(long)]
    pub(crate) allow_commands: bool,
}

/// A sweep file, and changes to it.
#[derive(Debug, ClapArgs)]
pub(crate) struct SweepArgs {
    /// The sweep file
    #[arg(value_name = "SWEEP.yaml")]
    pub(crate) sweep: PathBuf,
    /// Override a key of the sweep file, for instance `-o recipe.density=0.3`
    #[arg(short, long = "override", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

/// The choice among the variants of a sweep file.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct VariantArgs {
    /// Of a sweep file with `variants`, only the variant with this value [default: all of them]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub(crate) variant: Option<String>,
}
