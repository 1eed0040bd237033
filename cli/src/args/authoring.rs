//! The commands that help to write files and command lines.

use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
#[command(after_help = "The first line of a sweep file can name its schema:\n  \
    # yaml-language-server: $schema=PATH/sweep.schema.json")]
pub(crate) struct Schema {
    /// The file that the schema describes
    #[arg(value_enum, default_value_t = SchemaOf::Sweep)]
    pub(crate) of: SchemaOf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaOf {
    /// A sweep file
    Sweep,
    /// A recipe, as `bowline merge --recipe` reads it
    Recipe,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "For instance, with bash:\n  \
    bowline completions bash > ~/.local/share/bash-completion/completions/bowline")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Man {
    /// The output folder: one page for each command
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}
