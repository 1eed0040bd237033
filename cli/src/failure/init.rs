use super::code;
use std::{io, path::PathBuf};

/// Why a sweep file is not drafted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InitFailure {
    /// Something is missing, and nobody can be asked.
    #[error("{what} is missing: give it with `{flag}`")]
    Missing { what: String, flag: String },
    /// A task has something twice.
    #[error("`{argument}` names the task `{task}` twice")]
    Twice { argument: &'static str, task: String },
    /// An argument names a task that no adapter is of.
    #[error("`{argument}` names the task `{task}`, of which there is no adapter; `--adapter` names {}", known.join(", "))]
    UnknownTask { argument: &'static str, task: String, known: Vec<String> },
    /// The name of a task or of the sweep is none.
    #[error(
        "`{name}` cannot be the name of {of}; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first"
    )]
    Name { of: &'static str, name: String },
    /// The file is there.
    #[error("`{}` is there already, and `init` overwrites nothing; name another file with `--out`, or remove this one", path.display())]
    Exists { path: PathBuf },
    /// The data set has no splits.
    #[error("the data set of `{task}`, `{source_name}`, has no splits; expected {expected}")]
    NoSplits { task: String, source_name: String, expected: &'static str },
    /// The data set has several configurations.
    #[error("the data set of `{task}`, `{source_name}`, has several configurations; name one of them: {}", folders.join(", "))]
    Configurations { task: String, source_name: String, folders: Vec<String> },
    /// A column that is needed is not there.
    #[error("the data set of `{task}` has no column {wanted}; it has {}", found.join(", "))]
    NoColumn { task: String, wanted: &'static str, found: Vec<String> },
    /// A split cannot be read.
    #[error("the data of `{task}` cannot be read, split `{split}`")]
    Data { task: String, split: String, source: evaluation::TextError },
    /// The labels are no classes.
    #[error(
        "the column `{column}` of the data set of `{task}` has {found} different values, which are no labels of classes"
    )]
    Labels { task: String, column: String, found: usize },
    /// A file of another tool is not translated.
    #[error("`{}` {problem}", path.display())]
    From { path: PathBuf, problem: String },
    /// The command line names other adapters than the file that is translated.
    #[error("`{}` merges {expected} adapters, and `--adapter` names {found}: name them all, in the order of the file", path.display())]
    OtherAdapters { path: PathBuf, expected: usize, found: usize },
    /// What was drafted is not valid.
    #[error("the drafted file would not be valid, and is not written")]
    Draft { source: Box<jobs::SweepError> },
    /// The file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl InitFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Missing { .. } | Self::Twice { .. } | Self::UnknownTask { .. } | Self::Name { .. } => code::USAGE,
            Self::Exists { .. }
            | Self::NoSplits { .. }
            | Self::Configurations { .. }
            | Self::NoColumn { .. }
            | Self::Labels { .. }
            | Self::From { .. }
            | Self::OtherAdapters { .. }
            | Self::Draft { .. } => code::BAD_INPUT,
            Self::Data { source, .. } => code::of_input(source.is_retryable()),
            Self::Write { .. } => code::UNAVAILABLE,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("`bowline init --help` shows an example; on a terminal, `init` asks"),
            Self::NoColumn { .. } => Some(
                "write the sweep file by hand: `image_column`, `text_columns` and `label_column` name columns (docs/sweep-file.md)",
            ),
            Self::Twice { .. }
            | Self::UnknownTask { .. }
            | Self::Name { .. }
            | Self::Exists { .. }
            | Self::NoSplits { .. }
            | Self::Configurations { .. }
            | Self::Data { .. }
            | Self::Labels { .. }
            | Self::From { .. }
            | Self::OtherAdapters { .. }
            | Self::Draft { .. }
            | Self::Write { .. } => None,
        }
    }
}
