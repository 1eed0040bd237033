use crate::{FileChanged, FileIdentity, lost_pages::Listed};
use memmap2::Mmap;
use std::{
    fmt,
    fs::File,
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

/// A mapped file, its handle, and what it was when it was mapped.
///
/// Its bytes are those of the file at any time: what is read after a [check](Self::check) may be other bytes. If the
/// file is truncated, reading the lost pages ends the process; see [`end_on_lost_pages`](crate::end_on_lost_pages).
pub struct MappedFile {
    /// Dropped before the map, whose addresses may be another map's at once.
    _listed: Listed,
    map: Mmap,
    /// Keeps the inode, so that it is never another file's.
    file: File,
    path: PathBuf,
    identity: FileIdentity,
}

impl MappedFile {
    /// Opens and maps a file.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(File::open(path)?, path)
    }

    /// Maps an open file; `path` is its name.
    ///
    /// # Errors
    /// The system refuses.
    #[expect(
        unsafe_code,
        reason = "the bytes of a map may change under a reader; who relies on them checks afterwards"
    )]
    pub fn of(file: File, path: &Path) -> io::Result<Self> {
        let identity = FileIdentity::of(&file.metadata()?);
        // SAFETY: bytes that others change are numbers and text, of which every value is valid. What was computed from
        // them is thrown away unless the file is the same afterwards, and a truncated file ends the process.
        let map = unsafe { Mmap::map(&file)? };
        let listed = Listed::new(&map, path);
        Ok(Self { _listed: listed, map, file, path: path.to_owned(), identity })
    }

    /// The name by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file was when it was mapped.
    pub fn identity(&self) -> &FileIdentity {
        &self.identity
    }

    /// Fails if the file is not what it was when it was mapped. Whether it still has its name does not count.
    ///
    /// # Errors
    /// Says what became of it.
    pub fn check(&self) -> Result<(), FileChanged> {
        let path = || self.path.clone();
        let metadata = self.file.metadata().map_err(|source| FileChanged::Unreadable { path: path(), source })?;
        match FileIdentity::of(&metadata).change_since(&self.identity) {
            None => Ok(()),
            Some(change) => Err(FileChanged::Changed { path: path(), change }),
        }
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedFile").field("path", &self.path).field("identity", &self.identity).finish_non_exhaustive()
    }
}
