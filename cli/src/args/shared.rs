//! Arguments that several commands have.

use clap::Args as ClapArgs;
use std::{fmt, net::SocketAddr, path::PathBuf};
use store::Location;

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
    /// Memory for images that are read and kept between jobs, in MiB; `--example-cache` keeps larger splits
    #[arg(long, alias = "picture-memory", value_name = "MIB", default_value_t = 4096)]
    pub(crate) image_memory: u64,
    /// Keep preprocessed images and tokenised texts in this folder, for large data sets
    #[arg(long, alias = "picture-cache", value_name = "FOLDER")]
    pub(crate) example_cache: Option<PathBuf>,
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
