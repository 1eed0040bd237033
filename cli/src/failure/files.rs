use super::code;
use std::{io, path::PathBuf};

/// Why a file that the command line names, or data that it asks for, cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFailure {
    /// A file that the command line names cannot be read.
    #[error("cannot read the {what} `{}`", path.display())]
    Read { what: &'static str, path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The sweep file does not describe a sweep.
    #[error("the sweep file `{}` is not valid{}", path.display(), in_line(*line))]
    Sweep { path: PathBuf, line: Option<usize>, source: Box<jobs::SweepError> },
    /// The file that `reference` names has no published figures.
    #[error("the published figures in `{}` are not valid{}", path.display(), in_line(*line))]
    Published { path: PathBuf, line: Option<usize>, source: Box<jobs::SweepError> },
    /// The recipe file does not describe a merge.
    #[error("the recipe file `{}` is not valid", path.display())]
    Recipe { path: PathBuf, source: Box<jobs::SweepError> },
    /// Data did not get out.
    #[error("cannot write to standard output")]
    Stdout(io::Error),
}

fn in_line(line: Option<usize>) -> String {
    line.map(|line| format!(", in line {line}")).unwrap_or_default()
}

impl FileFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::Sweep { .. } | Self::Published { .. } | Self::Recipe { .. } => code::BAD_INPUT,
            Self::Write { .. } | Self::Stdout(_) => code::UNAVAILABLE,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Sweep { source, .. } | Self::Recipe { source, .. } => sweep_hint(source),
            Self::Read { .. } | Self::Published { .. } | Self::Write { .. } | Self::Stdout(_) => None,
        }
    }
}

fn sweep_hint(error: &jobs::SweepError) -> Option<&'static str> {
    let jobs::SweepError::Recipe { source: jobs::RecipeError::OutOfRange { key, .. }, .. } = error else { return None };
    // A weight of a task is written `weights.<task>`, and has nothing to add.
    jobs::RecipeKey::of(key)?.hint()
}
