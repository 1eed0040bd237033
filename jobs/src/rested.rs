use crate::{Digest, JobId, version::known};
use serde::{Deserialize, Serialize};

/// Names the file in which the store keeps what a leg of a training had come to when it rested.
///
/// The file lies beside the record, under its digest. The record is written after it, so that a leg never goes on from a part of a
/// state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestedFile {
    #[serde(deserialize_with = "known::<_, 1, { RestedFile::VERSION }>")]
    version: u32,
    /// The leg.
    pub job: JobId,
    /// Of the content of the file.
    pub digest: Digest,
    /// Bytes of the file.
    pub size: u64,
}

impl RestedFile {
    /// The version of the document.
    pub const VERSION: u32 = 1;

    /// The file of `job` with this content.
    pub fn new(job: JobId, digest: Digest, size: u64) -> Self {
        Self { version: Self::VERSION, job, digest, size }
    }
}
