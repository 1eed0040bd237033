use crate::{Change, FileChanged, FileIdentity, MappedFile};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The files that something was read from, each with the identity that it had when it was hashed.
///
/// A file counts as changed as well when another one was renamed into its place, although a map of the old one still
/// holds what was hashed. The link count and the time of change of a replaced file change as those of a file do that
/// was written to and whose time of modification was restored, so the two cannot be distinguished; and the next lookup
/// of the input would find another digest anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilesInUse {
    files: Vec<(PathBuf, FileIdentity)>,
}

impl FilesInUse {
    /// Adds the file `path`, which was hashed while it was `identity`.
    pub fn add(&mut self, path: PathBuf, identity: FileIdentity) {
        self.files.push((path, identity));
    }

    /// Adds all of `others`.
    pub fn extend(&mut self, others: &Self) {
        self.files.extend_from_slice(&others.files);
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Where the files are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Fails unless every file still is what was hashed, under its own name.
    ///
    /// # Errors
    /// Names the first file that is not, and what became of it.
    pub fn check(&self) -> Result<(), FileChanged> {
        self.files.iter().try_for_each(|(path, identity)| check(path, identity))
    }

    /// Fails unless a mapped file is one of these: what was hashed is what was mapped.
    ///
    /// # Errors
    /// Names the file that was mapped.
    pub fn check_map(&self, mapped: &MappedFile) -> Result<(), FileChanged> {
        self.check_read(mapped.path(), mapped.identity())
    }

    /// Fails unless the file that was read as `path` while it was `identity` is one of these.
    ///
    /// # Errors
    /// Names the file that was read.
    pub fn check_read(&self, path: &Path, identity: &FileIdentity) -> Result<(), FileChanged> {
        if self.files.iter().any(|(_, hashed)| hashed == identity) {
            return Ok(());
        }
        // That the same file was written to is the more useful error.
        let hashed = self.files.iter().find(|(_, hashed)| hashed.inode() == identity.inode());
        let change = hashed.and_then(|(_, hashed)| identity.change_since(hashed)).unwrap_or(Change::Replaced);
        Err(FileChanged::Changed { path: path.to_owned(), change })
    }
}

fn check(path: &Path, hashed: &FileIdentity) -> Result<(), FileChanged> {
    let unreadable = |source| FileChanged::Unreadable { path: path.to_owned(), source };
    let compare = |metadata: &fs::Metadata| match FileIdentity::of(metadata).change_since(hashed) {
        None => Ok(()),
        Some(change) => Err(FileChanged::Changed { path: path.to_owned(), change }),
    };
    compare(&fs::metadata(path).map_err(unreadable)?)?;
    // Network file systems ask their server when a file is opened. Without that, attributes may be a minute old.
    let file = open(path).map_err(unreadable)?;
    compare(&file.metadata().map_err(unreadable)?)
}

/// Opens a file that may have become a pipe, which would wait for a writer.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(path: &Path, content: &[u8]) -> FilesInUse {
        fs::write(path, content).unwrap();
        let identity = FileIdentity::of(&fs::metadata(path).unwrap());
        identity.wait_for_clock();
        let mut files = FilesInUse::default();
        files.add(path.to_owned(), identity);
        files
    }

    #[test]
    fn files_are_in_use_unchanged_until_one_is_written_to_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("adapter_model.safetensors");
        let problem = |files: &FilesInUse| files.check().unwrap_err().to_string();

        let files = hashed(&path, b"first");
        files.check().unwrap();
        fs::write(&path, b"other").unwrap();
        assert_eq!(problem(&files), format!("`{}` has changed since it was hashed: it was written to", path.display()));

        let files = hashed(&path, b"first");
        fs::write(folder.path().join("new"), b"first").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(problem(&files).ends_with("another file has taken its place"), "{}", problem(&files));

        let files = hashed(&path, b"first");
        fs::remove_file(&path).unwrap();
        assert!(problem(&files).contains("cannot be opened again"), "{}", problem(&files));
    }

    #[test]
    fn a_map_is_of_the_file_that_was_hashed_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let files = hashed(&path, b"first");
        files.check_map(&MappedFile::open(&path).unwrap()).unwrap();
        fs::write(&path, b"longer").unwrap();
        let error = files.check_map(&MappedFile::open(&path).unwrap()).unwrap_err().to_string();
        assert!(error.ends_with("it had 5 bytes, and has 6"), "{error}");
    }
}
