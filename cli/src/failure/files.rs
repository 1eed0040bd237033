use super::code;
use jobs::{Lines, Place, SweepError};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file that the command line names, or data that it asks for, cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFailure {
    /// A file that the command line names cannot be read.
    #[error("cannot read the {what} `{}`", path.display())]
    Read { what: &'static str, path: PathBuf, source: io::Error },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file that people write does not say what it should.
    #[error("the {what} `{}` is not valid{}", path.display(), at(*place))]
    Invalid { what: &'static str, path: PathBuf, place: Option<Place>, source: Box<SweepError> },
    /// The same with several things that are wrong.
    #[error("the {what} `{}` has {} problems{}", path.display(), problems.len(), listed(problems))]
    Several { what: &'static str, path: PathBuf, problems: Vec<PlacedProblem> },
    /// Data did not get out.
    #[error("cannot write to standard output")]
    Stdout(io::Error),
}

/// One of several things that are wrong with a file.
#[derive(Debug)]
pub(crate) struct PlacedProblem {
    place: Option<Place>,
    message: String,
}

fn at(place: Option<Place>) -> String {
    place.map(|Place { line, column }| format!(", in line {line}, column {column}")).unwrap_or_default()
}

fn listed(problems: &[PlacedProblem]) -> String {
    let in_words = |problem: &PlacedProblem| match problem.place {
        Some(Place { line, column }) => format!("\nline {line}, column {column}: {}", problem.message),
        None => format!("\n{}", problem.message),
    };
    problems.iter().map(in_words).collect()
}

impl FileFailure {
    /// The failure of a file with `text`, some of whose keys the command line may have replaced.
    pub(crate) fn invalid(what: &'static str, path: &Path, lines: &Lines, source: SweepError) -> Self {
        let place = |error: &SweepError| error.key().and_then(|key| lines.place(key));
        let path = path.to_owned();
        match source.each() {
            [_] => Self::Invalid { what, path, place: place(&source), source: Box::new(source) },
            errors => {
                let problem = |error: &SweepError| {
                    let hint = sweep_hint(error).map(|hint| format!(" ({hint})")).unwrap_or_default();
                    PlacedProblem { place: place(error), message: format!("{}{hint}", jobs::error_line(error)) }
                };
                let mut problems: Vec<PlacedProblem> = errors.iter().map(problem).collect();
                problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
                Self::Several { what, path, problems }
            }
        }
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Read { .. } | Self::Invalid { .. } | Self::Several { .. } => code::BAD_INPUT,
            Self::Write { .. } | Self::Stdout(_) => code::UNAVAILABLE,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { source, .. } => sweep_hint(source),
            Self::Read { .. } | Self::Several { .. } | Self::Write { .. } | Self::Stdout(_) => None,
        }
    }
}

fn sweep_hint(error: &SweepError) -> Option<&'static str> {
    let SweepError::Recipe { source: jobs::RecipeError::OutOfRange { key, .. }, .. } = error else { return None };
    // A weight of a task is written `weights.<task>`, and has nothing to add.
    jobs::RecipeKey::of(key)?.hint()
}
