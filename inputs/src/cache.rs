//! The folder in which fetched objects are kept, by content.
//!
//! | path | content |
//! |---|---|
//! | `blobs/<2 hex>/<digest>` | the content itself |
//! | `objects/<2 hex>/<id>` | which digest one version of an object has; the lock under which it is fetched |
//! | `contents/<2 hex>/<digest>` | which blobs, under which names, an input of that digest is made of |
//! | `places/<2 hex>/<id>` | which blobs were last found under a reference |
//! | `views/<2 hex>/<id>/…` | links to blobs under the names of files, for those who read them |
//! | `partial/<id>` | a download under way, or cut off |
//!
//! Any number of processes share it. Blobs appear whole, by renaming; all else is small, and whatever of it is missing,
//! cut off or wrong costs a download and no more: no blob is used before it was hashed.

mod clean;
mod object;
mod view;

pub(crate) use view::is_below;

use crate::{InputError, digest::FileDigests};
use jobs::Digest;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Once},
};
use tempfile::NamedTempFile;

/// Grows when files in the cache change their meaning: programs of several versions may share a cache.
const LAYOUT: &str = "v1";

/// Objects that were fetched, for all processes of this machine.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
    digests: Arc<FileDigests>,
    cleaned: Once,
}

/// What an input is made of.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// The names and digests of its files.
    pub(crate) files: Vec<(String, Digest)>,
    /// The rows that are taken of them, if a file from a bucket lists them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rows: Option<Vec<u64>>,
    /// Names of files that are no part of it, but influence how it is read: files of other splits, with classes that it
    /// does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<String>,
}

impl Cache {
    pub(crate) fn new(folder: &Path, digests: Arc<FileDigests>) -> Self {
        Self { root: folder.join(LAYOUT), digests, cleaned: Once::new() }
    }

    /// Whether there is a blob of this digest, without reading it.
    pub(crate) fn has_blob(&self, digest: Digest) -> bool {
        self.blob(digest).is_file()
    }

    /// Whether there is a blob of this digest that holds what it should.
    ///
    /// Every process hashes it once, and again if it was written to.
    fn is_whole(&self, digest: Digest) -> bool {
        let found = self.digests.of(&self.blob(digest));
        if let Ok(found) = &found
            && found.digest != digest
        {
            let found = found.digest;
            tracing::warn!(expected = %digest, %found, "a file in the cache of inputs was altered");
        }
        found.is_ok_and(|found| found.digest == digest)
    }

    /// The composition of the input with this digest, if the cache knows it. Callers check it.
    pub(crate) fn content(&self, digest: Digest) -> Option<Content> {
        read_json(&self.path("contents", digest))
    }

    /// Stores the composition of the input with this digest.
    pub(crate) fn keep_content(&self, digest: Digest, content: &Content) -> Result<(), InputError> {
        self.write_json(&self.path("contents", digest), content)
    }

    /// The blobs that were last found under the reference with this text.
    pub(crate) fn place(&self, reference: &str) -> Option<Vec<Digest>> {
        read_json(&self.path("places", Digest::of(reference.as_bytes())))
    }

    /// Keeps which blobs were found under a reference.
    pub(crate) fn keep_place(&self, reference: &str, blobs: &[Digest]) -> Result<(), InputError> {
        self.write_json(&self.path("places", Digest::of(reference.as_bytes())), &blobs)
    }

    fn blob(&self, digest: Digest) -> PathBuf {
        self.path("blobs", digest)
    }

    fn path(&self, kind: &str, id: Digest) -> PathBuf {
        let name = id.to_string();
        self.root.join(kind).join(&name[..2]).join(name)
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), InputError> {
        let write = || {
            let folder = made_folder_of(path)?;
            let file = NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&file, value)?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|source| self.failed(path, source))
    }

    fn failed(&self, path: &Path, source: io::Error) -> InputError {
        InputError::Cache { path: path.to_owned(), source }
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The folder of `path`, made if it is not there.
fn made_folder_of(path: &Path) -> io::Result<&Path> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    Ok(folder)
}
