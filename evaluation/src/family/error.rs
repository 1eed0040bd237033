use super::ExampleKind;
use crate::{DataError, TextError};

/// Why a split of a task cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// Its images cannot be read.
    #[error(transparent)]
    Images(#[from] DataError),
    /// Its texts cannot be read.
    #[error(transparent)]
    Texts(#[from] TextError),
    /// The data are of another kind than the model reads.
    #[error("the data are {}, and the model reads {}", found.name(), found.other().name())]
    Kind {
        /// What the data are.
        found: ExampleKind,
    },
}

impl SplitError {
    /// True if the same call may succeed later without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Images(error) => error.is_retryable(),
            Self::Texts(error) => error.is_retryable(),
            Self::Kind { .. } => false,
        }
    }

    /// True if the split takes more memory than it may.
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::Images(DataError::TooLarge { .. }))
    }
}
