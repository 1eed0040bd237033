use super::code;

/// Why tables or charts of results cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnalysisFailure {
    /// A frame cannot be made or written.
    #[error("cannot make tables of the results")]
    Frame(analysis::FrameError),
    /// A chart cannot be made.
    #[error(transparent)]
    Chart(#[from] analysis::ChartError),
}

impl AnalysisFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Frame(_) => code::UNAVAILABLE,
            Self::Chart(_) => code::BUG,
        }
    }
}
