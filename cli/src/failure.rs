//! Everything that ends a command early: its message, its exit code, and a hint.
//!
//! Each kind of failure has a file with its exit codes and hints. No match here has a catch-all arm: a new failure
//! needs its own exit code.

mod analysis;
mod code;
mod doctor;
mod files;
mod finetune;
mod init;
mod inputs;
mod k8s;
mod merge;
mod queue;
mod run;
mod store;
mod stored;
#[cfg(test)]
mod tests;
mod watching;
mod worker;

pub(crate) use self::{analysis::AnalysisFailure, merge::MergeFailure, queue::QueueFailure, worker::WorkerFailure};
pub(crate) use doctor::DoctorFailure;
pub(crate) use files::FileFailure;
pub(crate) use finetune::FinetuneFailure;
pub(crate) use init::InitFailure;
pub(crate) use inputs::InputFailure;
pub(crate) use k8s::K8sFailure;
pub(crate) use run::RunFailure;
pub(crate) use stored::StoredFailure;
pub(crate) use watching::WatchingFailure;

use std::io;

/// Why a command ended early.
///
/// No variant prints its source: the report prints the whole chain, so that each fact appears once.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An argument has the wrong form.
    #[error("`{argument}` is `{value}`, which is not {expected}")]
    Argument { argument: &'static str, value: String, expected: &'static str },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileFailure),
    /// An input cannot be used.
    #[error(transparent)]
    Input(#[from] InputFailure),
    /// A merge is not possible, or cannot be written.
    #[error(transparent)]
    Merge(#[from] MergeFailure),
    /// A sweep file is not drafted.
    #[error(transparent)]
    Init(#[from] InitFailure),
    /// An adapter is not trained.
    #[error(transparent)]
    Finetune(#[from] FinetuneFailure),
    /// A sweep or an evaluation did not succeed.
    #[error(transparent)]
    Run(#[from] RunFailure),
    /// A worker cannot start or continue.
    #[error(transparent)]
    Worker(#[from] WorkerFailure),
    /// A command about stored sweeps fails.
    #[error(transparent)]
    Stored(#[from] StoredFailure),
    /// Tables or charts cannot be made.
    #[error(transparent)]
    Analysis(#[from] AnalysisFailure),
    /// The queue cannot be used.
    #[error(transparent)]
    Queue(#[from] QueueFailure),
    /// A process cannot be watched.
    #[error(transparent)]
    Watching(#[from] WatchingFailure),
    /// Kubernetes manifests cannot be rendered.
    #[error(transparent)]
    K8s(#[from] K8sFailure),
    /// A check of `doctor` did not pass.
    #[error(transparent)]
    Doctor(#[from] DoctorFailure),
    /// The store is out of reach, or holds something that it should not.
    #[error("cannot use the store")]
    Store(#[from] ::store::StoreError),
    /// The user stopped the command.
    #[error("interrupted")]
    Interrupted,
    /// The program has a bug.
    #[error("bowline panicked; this is a bug")]
    Panicked,
    /// The async runtime cannot start.
    #[error("cannot start the runtime")]
    Runtime(io::Error),
}

/// Errors of libraries become failures of their kind.
macro_rules! from {
    ($($error:ty => $kind:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from(<$kind>::from(error))
            }
        })+
    };
}

from! {
    preflight::CheckError => InputFailure,
    ::files::FileChanged => InputFailure,
    merging::MergeError => MergeFailure,
    merging::InputMergeError => MergeFailure,
    merging::OutputError => MergeFailure,
    coordinator::FreezeError => RunFailure,
    coordinator::CoordinatorError => RunFailure,
    ::worker::WorkerError => WorkerFailure,
    ::analysis::ChartError => AnalysisFailure,
    telemetry::EndpointError => WatchingFailure,
    telemetry::TracingError => WatchingFailure,
    ::queue::QueueError => QueueFailure,
}

impl From<merging::BaseError> for Failure {
    fn from(error: merging::BaseError) -> Self {
        preflight::CheckError::from(error).into()
    }
}

impl From<evaluation::ModelError> for Failure {
    fn from(error: evaluation::ModelError) -> Self {
        preflight::CheckError::from(error).into()
    }
}

impl From<::analysis::FrameError> for Failure {
    fn from(error: ::analysis::FrameError) -> Self {
        use ::analysis::FrameError::{Build, Create, NoSweep, Query, Store, Write};
        match error {
            Store(error) => Self::Store(error),
            NoSweep { name, store } => Self::Stored(StoredFailure::NoSweep { name, store }),
            error @ (Build { .. } | Query { .. } | Create { .. } | Write { .. }) => {
                Self::Analysis(AnalysisFailure::Frame(error))
            }
        }
    }
}

impl Failure {
    /// The exit code: one for each thing that a caller can do about it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Argument { .. } => code::USAGE,
            Self::File(failure) => failure.exit_code(),
            Self::Input(failure) => failure.exit_code(),
            Self::Merge(failure) => failure.exit_code(),
            Self::Init(failure) => failure.exit_code(),
            Self::Finetune(failure) => failure.exit_code(),
            Self::Run(failure) => failure.exit_code(),
            Self::Worker(failure) => failure.exit_code(),
            Self::Stored(failure) => failure.exit_code(),
            Self::Analysis(failure) => failure.exit_code(),
            Self::Queue(failure) => failure.exit_code(),
            Self::Watching(failure) => failure.exit_code(),
            Self::K8s(failure) => failure.exit_code(),
            Self::Doctor(failure) => failure.exit_code(),
            Self::Store(error) => store::code_of(error),
            Self::Interrupted => code::INTERRUPTED,
            Self::Panicked | Self::Runtime(_) => code::BUG,
        }
    }

    /// What to do, if the error does not say it.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(failure) => failure.hint(),
            Self::Input(failure) => failure.hint(),
            Self::Merge(failure) => failure.hint(),
            Self::Init(failure) => failure.hint(),
            Self::Finetune(failure) => failure.hint(),
            Self::Run(failure) => failure.hint(),
            Self::Worker(failure) => failure.hint(),
            Self::Stored(failure) => failure.hint(),
            Self::K8s(failure) => failure.hint(),
            Self::Doctor(failure) => failure.hint(),
            Self::Store(error) => store::hint_of(error),
            Self::Interrupted => Some("every finished job is stored; run the same command to go on"),
            Self::Panicked => Some("please report it with the message above and what you ran"),
            Self::Argument { .. } | Self::Analysis(_) | Self::Queue(_) | Self::Watching(_) | Self::Runtime(_) => None,
        }
    }
}
