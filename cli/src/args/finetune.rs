//! The arguments of fine-tuning.

use super::{ComputeArgs, S3Args, SweepArgs};
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Finetune {
    #[command(flatten)]
    pub(crate) sweep: SweepArgs,
    /// The task whose adapter is trained
    #[arg(long, value_name = "NAME")]
    pub(crate) task: String,
    /// The folder to write; it must not exist, or must be empty. The checkpoint lies beside it, as `DIR.checkpoint`
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Stop with a checkpoint after this many steps of this call, with exit code 0; the same command resumes the training
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) stop_after: Option<u64>,
    #[command(flatten)]
    pub(crate) compute: ComputeArgs,
    #[command(flatten)]
    pub(crate) s3: S3Args,
}
