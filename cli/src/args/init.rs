//! The arguments of drafting a sweep file.

use super::S3Args;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "For instance:\n  \
    bowline init --base models/clip --adapter mnist=adapters/mnist --adapter flags=adapters/flags \\\n    \
    --data mnist=data/mnist --data flags=data/flags\n  \
    bowline plan sweep.yaml\n  \
    bowline run sweep.yaml\n\n\
    On a terminal, it asks for what is missing. A merge of another tool becomes a recipe; with `--data` it becomes a sweep\n\
    that compares that recipe with every other method:\n  \
    bowline init --from mergekit.yml")]
pub(crate) struct Init {
    /// The base model: a folder, `hf://owner/name[@revision]` or `s3://bucket/folder`
    #[arg(long, value_name = "DIR")]
    pub(crate) base: Option<String>,
    /// The name of a task and its adapter; repeat it for each adapter
    #[arg(long = "adapter", value_name = "NAME=DIR")]
    pub(crate) adapters: Vec<String>,
    /// The name of a task and its data set: a folder, `hf://owner/name` or `s3://bucket/folder`; repeat it for each task
    #[arg(long = "data", value_name = "NAME=PATH")]
    pub(crate) data: Vec<String>,
    /// The name of a task and the file of its head, where neither the adapter nor class names make one
    #[arg(long = "head", value_name = "NAME=PATH")]
    pub(crate) heads: Vec<String>,
    /// A file of another tool to translate: a configuration of mergekit, the arguments of PEFT's `add_weighted_adapter` as JSON or a Python
    /// file that calls it, or a sweep of W&B
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// The name of the sweep [default: that of the folder of the sweep file]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The file to write, which must not exist [default: sweep.yaml, or recipe.yaml where only a merge is possible]
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) s3: S3Args,
}
