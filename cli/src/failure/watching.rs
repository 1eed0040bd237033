use super::code;

/// Why a process cannot be watched, or is not well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchingFailure {
    /// An address that cannot be listened at.
    #[error("`--listen` does not work")]
    Listen(#[from] telemetry::EndpointError),
    /// Spans cannot be sent.
    #[error("cannot tell of what is done")]
    TracingGuard(#[from] telemetry::TracingError),
    /// What was probed is not well, or not there.
    #[error("{url}: {reason}")]
    Probe { url: String, reason: String },
}

impl WatchingFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Listen(_) | Self::Probe { .. } => code::UNAVAILABLE,
            Self::TracingGuard(_) => code::BAD_INPUT,
        }
    }
}
