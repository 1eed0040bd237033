mod adapter;
mod card;
mod convert;
mod folder;
mod full;
mod trained;
mod truncate;

pub use adapter::write_adapter;
pub use card::Card;
pub use folder::check_output;
pub use full::write_full;
pub use trained::{TrainedFactors, TrainedOutput, write_trained};
pub use truncate::{LostEnergy, truncate};

use crate::BaseError;
use std::{error::Error, io, path::PathBuf};

/// Why a merged update was not written. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The place is taken.
    #[error("`{path}` exists and is not an empty folder")]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// The path does not name a folder.
    #[error("`{path}` ends in no name of a folder: name a new one, such as `adapters/mnist`")]
    Unnamed {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {what} `{path}`")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An adapter was asked for, but an update has no low rank.
    #[error(
        "the merged update of `{module}` is not low-rank: an elementwise merge in the `full` space fits no adapter \
         exactly; truncate it with `--rank N`, or write a full model"
    )]
    NotLowRank {
        /// The base's module.
        module: String,
    },
    /// The weights could not be serialised.
    #[error("cannot serialise the weights for `{path}`")]
    Serialise {
        /// The file.
        path: PathBuf,
        /// What the format says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The base's headers could not be read.
    #[error("the base model cannot be merged into")]
    Base(#[from] BaseError),
    /// The base has no such weight, or one of another shape or type.
    #[error("`{tensor}` of the base `{base}` is {found}, but its update is {expected:?} floats")]
    OtherBase {
        /// The weight.
        tensor: String,
        /// The base's folder.
        base: PathBuf,
        /// What the base holds there.
        found: String,
        /// The update's shape.
        expected: [usize; 2],
    },
    /// The merged weight does not fit the base's type.
    #[error("the merged `{tensor}` exceeds what its type {dtype} can hold; a smaller scaling may fit")]
    Overflow {
        /// The weight.
        tensor: String,
        /// The base's type.
        dtype: String,
    },
    /// The singular value decomposition did not converge.
    #[error("the singular value decomposition of `{module}` does not converge")]
    NoConvergence {
        /// The base's module.
        module: String,
    },
}
