use jobs::{JobSpec, OtherSemantics};

/// Why a job is left to other workers, although nothing is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Unable {
    /// It is for another version of the program: computed here, it would have other numbers than the job means.
    #[error(transparent)]
    Version(OtherSemantics),
    /// It runs a command.
    #[error(
        "the job runs a command of its sweep (`evaluation.command`), and this worker was started without `--allow-commands`"
    )]
    Command,
}

impl Unable {
    /// Why a worker cannot compute a job, if it cannot.
    pub(super) fn of(spec: &JobSpec, allows_commands: bool) -> Option<Self> {
        if let Err(other) = spec.check_semantics() {
            return Some(Self::Version(other));
        }
        let command = spec.as_evaluation().and_then(|meaning| meaning.benchmark.command());
        command.filter(|_| !allows_commands).map(|_| Self::Command)
    }
}
