use crate::{BackendError, Key, KeyError, PartError};
use jobs::{Digest, JobId, ResultFault};
use std::{io, path::PathBuf};

/// Why a call to a store fails.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A name of a sweep or document cannot be part of a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An object is not what belongs under its key.
    #[error("the object `{key}` of the store is corrupt")]
    Corrupt {
        /// The object.
        key: Key,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// An object was written by another version of the program.
    #[error("the object `{key}` of the store has version {found}, and this program reads version {expected}")]
    Version {
        /// The object.
        key: Key,
        /// Its version.
        found: u32,
        /// The version that is read and written here.
        expected: u32,
    },
    /// A record does not belong to the job that it names.
    #[error("the object `{key}` of the store names job {job}, but its meaning is that of job {meaning}")]
    Mislabelled {
        /// The object.
        key: Key,
        /// The job that the record names.
        job: JobId,
        /// The job that the record's meaning makes.
        meaning: JobId,
    },
    /// A result is impossible for its job.
    #[error("the result `{key}` of the store cannot be an answer to its job")]
    Fault {
        /// The object.
        key: Key,
        /// What it says.
        source: ResultFault,
    },
    /// A document of a sweep is one of another sweep.
    #[error("the object `{key}` of the store says that it belongs to the sweep `{}`", found.escape_debug())]
    OtherName {
        /// The object.
        key: Key,
        /// The name of the sweep in it.
        found: String,
    },
    /// A record lies under a key that is not its own.
    #[error("the object `{key}` of the store holds what belongs under `{expected}`")]
    Misplaced {
        /// The object.
        key: Key,
        /// The record's own key.
        expected: Key,
    },
    /// A file of an artefact is not there, though its job is done.
    #[error("the file `{key}` of the store is missing, though the job that wrote it is done")]
    NoFile {
        /// The object.
        key: Key,
    },
    /// A file of an artefact holds something else than its job wrote.
    #[error("the file `{key}` of the store was altered: its digest is {}, and its job wrote {}", found.short(), expected.short())]
    Altered {
        /// The object.
        key: Key,
        /// The digest of what its job wrote.
        expected: Digest,
        /// The digest of what is there.
        found: Digest,
    },
    /// A file of an artefact has another size than its job wrote.
    #[error("the file `{key}` of the store has {found} bytes, and its job wrote {expected}")]
    Resized {
        /// The object.
        key: Key,
        /// The bytes that its job wrote.
        expected: u64,
        /// The bytes that are there.
        found: u64,
    },
    /// A file on this machine that an artefact is made of, or goes to, cannot be used.
    #[error("cannot use the file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A part of a sweep is not what it should be.
    #[error("the part `{key}` of the store cannot be used")]
    Part {
        /// The object.
        key: Key,
        /// What is wrong with it.
        source: PartError,
    },
    /// A value has no JSON form.
    #[error("cannot write `{key}` as JSON")]
    Encode {
        /// The object it was to become.
        key: Key,
        /// What the encoder says.
        source: serde_json::Error,
    },
}

impl StoreError {
    /// Names the part that cannot be used.
    pub(crate) fn of_part(key: &Key, source: PartError) -> Self {
        Self::Part { key: key.clone(), source }
    }

    /// Whether the same call may succeed later, without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Backend(error) if error.is_retryable())
    }

    /// Whether a single object is invalid while the store itself works. Objects of other versions do not count as
    /// invalid.
    pub fn is_of_one_object(&self) -> bool {
        match self {
            Self::Corrupt { .. }
            | Self::Mislabelled { .. }
            | Self::Fault { .. }
            | Self::OtherName { .. }
            | Self::Misplaced { .. }
            | Self::NoFile { .. }
            | Self::Altered { .. }
            | Self::Resized { .. }
            | Self::Part { .. } => true,
            Self::Backend(_) | Self::Key(_) | Self::Version { .. } | Self::File { .. } | Self::Encode { .. } => false,
        }
    }
}
