//! What is kept on the disk between runs.

mod entry;

pub(crate) use entry::{Entry, Kind, complete, load, map, name};

use std::path::{Path, PathBuf};

/// A folder in which preprocessed images and tokenised texts are kept between runs.
///
/// A file's name is a hash of [`SEMANTICS`](crate::SEMANTICS), the digest, the columns, the rows taken and the
/// preprocessing or the tokenizer, so the digest need only distinguish the data files. Files are written under a
/// temporary name, synced and renamed. Where that fails, as on a full disk, what was read stays in memory, with a
/// warning.
#[derive(Debug, Clone, Copy)]
pub struct DiskCache<'a> {
    /// The folder; it is made if it is not there.
    pub folder: &'a Path,
    /// What the data files hold: their digest.
    pub digest: &'a str,
}

impl DiskCache<'_> {
    /// The file for the content that `meaning` identifies.
    pub(crate) fn path(&self, meaning: &str, kind: Kind) -> PathBuf {
        self.folder.join(format!("{}.{}", blake3::hash(meaning.as_bytes()).to_hex(), kind.ending))
    }
}
