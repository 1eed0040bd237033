use super::code;
use std::{io, path::PathBuf};
use worker::WorkerError;

/// Why a worker, on a cluster or in a run, cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerFailure {
    /// The worker cannot continue.
    #[error("the worker cannot go on")]
    Worker(#[from] WorkerError),
    /// A folder that the worker may read cannot be found.
    #[error("cannot read below `{}`", path.display())]
    Root { path: PathBuf, source: io::Error },
    /// The device cannot be opened.
    #[error("cannot open the device `{device}`")]
    Device { device: String, source: worker::EngineError },
}

impl WorkerFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Worker(WorkerError::Hangs(_)) => code::INTERRUPTED,
            Self::Worker(
                WorkerError::Queue(_)
                | WorkerError::Store { .. }
                | WorkerError::OwnFaults { .. }
                | WorkerError::Unwritable(_)
                | WorkerError::OtherStore { .. },
            )
            | Self::Device { .. } => code::UNAVAILABLE,
            Self::Root { .. } => code::BAD_INPUT,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Worker(WorkerError::Hangs(_)) => {
                Some("start the worker again; the job is recorded as failed, or comes back")
            }
            Self::Worker(_) | Self::Root { .. } | Self::Device { .. } => None,
        }
    }
}
