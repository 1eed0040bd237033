use crate::BaseError;
use std::path::PathBuf;

/// Why the statistics of a task cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// A file cannot be read.
    #[error("cannot read the statistics `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write the statistics `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tensors cannot be put into a file.
    #[error("cannot write the statistics `{}`", path.display())]
    Serialise {
        /// The file.
        path: PathBuf,
        /// What the library said.
        source: Box<safetensors::SafeTensorError>,
    },
    /// The index is no index of statistics.
    #[error("`{}` is not a valid index of statistics", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// The index is of another version.
    #[error("`{}` is of version {found}; this Bowline reads version {expected}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is read.
        expected: u32,
    },
    /// The header of a file of tensors is not valid.
    #[error(transparent)]
    Tensors(BaseError),
    /// A tensor is not what the index says.
    #[error("`{tensor}` of `{}` should be {expected}, and is {found}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// What the index says.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A number is not finite.
    #[error("`{tensor}` of `{}` holds a number that is not finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
}
