use super::code;
use analysis::ExportError;

/// Why tables or charts of results cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnalysisFailure {
    /// A frame cannot be made or written.
    #[error("cannot make tables of the results")]
    Frame(analysis::FrameError),
    /// A chart cannot be made.
    #[error(transparent)]
    Chart(#[from] analysis::ChartError),
    /// Nothing is exported.
    #[error("cannot export the sweep")]
    Export(#[source] analysis::ExportError),
    /// Nothing is known of a sweep yet, or it cannot be summed up.
    #[error("nothing of the sweep `{sweep}` can be exported yet")]
    NothingToExport {
        /// The sweep.
        sweep: String,
    },
    /// The inputs of a sweep are not known.
    #[error("the store has no manifest of the sweep `{sweep}`, which says what its data are")]
    NoManifest {
        /// The sweep.
        sweep: String,
    },
}

impl AnalysisFailure {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Frame(_) => code::UNAVAILABLE,
            Self::Chart(_) => code::BUG,
            Self::Export(ExportError::Write { .. }) => code::UNAVAILABLE,
            Self::Export(
                ExportError::Exists { .. }
                | ExportError::Unnamed { .. }
                | ExportError::Name { .. }
                | ExportError::TooMany { .. }
                | ExportError::NoChoice { .. }
                | ExportError::NoTask { .. }
                | ExportError::NotOnHub { .. },
            )
            | Self::NothingToExport { .. }
            | Self::NoManifest { .. } => code::BAD_INPUT,
        }
    }
}
