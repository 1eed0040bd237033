use super::code;

/// Why a process cannot be monitored, or is not healthy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchingFailure {
    /// The endpoint cannot listen on its address.
    #[error("`--listen` does not work")]
    Listen(#[from] telemetry::EndpointError),
    /// Spans cannot be exported.
    #[error("cannot export spans of this process")]
    Tracing(#[from] telemetry::TracingError),
    /// The probed process is not healthy, or not reachable.
    #[error("{url}: {reason}")]
    Probe { url: String, reason: String },
}

impl WatchingFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Listen(_) | Self::Probe { .. } => code::UNAVAILABLE,
            Self::Tracing(_) => code::BAD_INPUT,
        }
    }
}
