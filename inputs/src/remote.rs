mod artefacts;
mod s3;

pub use artefacts::Artefacts;
pub(crate) use artefacts::{ARTEFACTS, place_of};
pub use s3::S3Remote;

use jobs::{InputRef, S3Ref};
use std::{fmt, ops::Range, path::Path};
use store::BackendError;

/// Buckets that inputs are fetched from.
///
/// Calls block, and several threads call at a time. Implementations retry transient errors: a returned error is final
/// for this call.
pub trait Remote: fmt::Debug + Send + Sync {
    /// All objects whose keys start with `folder` and a slash, or all of the bucket if `folder` is empty.
    ///
    /// # Errors
    /// The bucket is not there, may not be listed, or is out of reach.
    fn list(&self, bucket: &str, folder: &str) -> Result<Vec<RemoteObject>, BackendError>;

    /// The object `key`; `None` if there is none.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    fn find(&self, bucket: &str, key: &str) -> Result<Option<RemoteObject>, BackendError>;

    /// Writes the content of the object `key` into the file `path`, in place of what is there, and says which version
    /// of the object it was.
    ///
    /// # Errors
    /// The object is not there any more, may not be read, or is out of reach; the file cannot be written. A part of it
    /// may be left behind.
    fn fetch(&self, bucket: &str, key: &str, path: &Path) -> Result<RemoteObject, BackendError>;

    /// The bytes `range` of the object `key`, of which no more is fetched; fewer where the object ends before.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch).
    fn part(&self, bucket: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError>;
}

/// One version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// A value that changes with the content. Without it, a change of the object cannot be detected.
    pub etag: Option<String>,
}

impl RemoteObject {
    /// Whether both may be the same version, according to their known properties.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let is_other = matches!((&self.etag, &other.etag), (Some(one), Some(other)) if one != other);
        self.size == other.size && !is_other
    }
}

/// The place of an input that consists of objects: in a bucket, or as the artefact of a job.
pub(crate) fn as_objects(reference: &InputRef) -> Option<S3Ref> {
    match reference {
        InputRef::S3(s3) => Some(s3.clone()),
        InputRef::Artefact(job) => Some(place_of(job)),
        InputRef::Path(_) | InputRef::Hub(_) => None,
    }
}
