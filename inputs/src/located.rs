//! An input on this machine.

use files::FilesInUse;
use jobs::{DataFiles, Digest, Rows};
use std::path::PathBuf;

/// An input on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The folder or file.
    pub path: PathBuf,
    /// The digest of the files in it that influence results.
    pub digest: Digest,
    /// The commit, 40 hexadecimal digits, if it comes from the hub.
    pub commit: Option<String>,
    /// The files that were hashed. Their reader checks afterwards that they did not change.
    pub files_in_use: FilesInUse,
}

/// A split of a data set on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct LocatedData {
    /// Its files.
    pub files: DataFiles,
    /// The rows of them that it takes.
    pub rows: Rows,
    /// The digest of the files' contents, the columns and the rows.
    pub digest: Digest,
    /// The commit, 40 hexadecimal digits, if it comes from the hub.
    pub commit: Option<String>,
    /// The files that were hashed. Their reader checks afterwards that they did not change.
    pub files_in_use: FilesInUse,
}

/// Where an input may be taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchPolicy {
    /// From the caches alone. The input of this digest is wanted; the caller checks whether it is that one.
    CacheOnly(Digest),
    /// From the network, where the caches lack it.
    Network,
}

/// A folder on this machine with the names of the files that were asked for.
#[derive(Debug)]
pub(crate) struct FoundFolder<F> {
    pub(crate) root: PathBuf,
    pub(crate) files: F,
    pub(crate) commit: Option<String>,
    /// The remains of an interrupted download in the hub's cache, if the cached files are assumed to be complete.
    pub(crate) cut_off_download: Option<PathBuf>,
}
