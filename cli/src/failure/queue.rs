use super::code;
use queue::QueueError;

/// Why the queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueFailure {
    /// The address of the queue cannot be read.
    #[error("cannot use the queue")]
    Address { source: queue::AddressError },
    /// The pool's name cannot be used.
    #[error("cannot use the queue")]
    Pool { source: queue::PoolNameError },
    /// The queue is out of reach, or is not what it should be.
    #[error("cannot use the queue")]
    Queue(#[from] QueueError),
}

impl QueueFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Address { .. } | Self::Pool { .. } => code::USAGE,
            Self::Queue(error) => code_of(error),
        }
    }
}

/// The code of an error of the queue, wherever it comes up.
pub(super) fn code_of(error: &QueueError) -> u8 {
    match error {
        QueueError::CaFile { .. } => code::BAD_INPUT,
        QueueError::Closed { .. }
        | QueueError::Lapsed { .. }
        | QueueError::Unreachable { .. }
        | QueueError::SenderEnded
        | QueueError::Credentials { .. }
        | QueueError::VirtualHost { .. }
        | QueueError::Permission { .. }
        | QueueError::OtherQueue { .. }
        | QueueError::Tls { .. } => code::UNAVAILABLE,
    }
}
