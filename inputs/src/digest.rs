use files::{FileChanged, FileIdentity, MappedFile};
use jobs::Digest;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

/// From this size on a file is mapped and hashed by all threads.
const LARGE: u64 = 1 << 20;

/// Digests of files, each read once as long as it is the same file, and was not written to.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    /// By device and inode: links to one file share it.
    known: Mutex<HashMap<(u64, u64), Hashed>>,
}

/// What a file held, and which file that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashed {
    pub(crate) digest: Digest,
    pub(crate) identity: FileIdentity,
}

impl FileDigests {
    /// The digest of a file's content.
    ///
    /// # Errors
    /// The file cannot be read, or is written to at the same time: then a [`FileChanged`] is inside.
    pub(crate) fn of(&self, path: &Path) -> io::Result<Hashed> {
        let file = File::open(path)?;
        let identity = FileIdentity::of(&file.metadata()?);
        let known = self.known.lock().get(&identity.inode()).copied();
        if let Some(known) = known.filter(|known| known.identity == identity) {
            return Ok(known);
        }
        let hashed = hash(file, path)?;
        self.know(hashed);
        Ok(hashed)
    }

    /// The content of a small file with its digest: what is parsed is what was hashed.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn read(path: &Path) -> io::Result<(Vec<u8>, Hashed)> {
        let mut file = File::open(path)?;
        let identity = FileIdentity::of(&file.metadata()?);
        identity.wait_for_clock();
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        check(&file, path, &identity)?;
        let digest = Digest::of(&content);
        Ok((content, Hashed { digest, identity }))
    }

    /// Stores the digest of a file that is known from elsewhere.
    pub(crate) fn insert(&self, path: &Path, digest: Digest) -> io::Result<()> {
        let identity = FileIdentity::of(&path.metadata()?);
        self.know(Hashed { digest, identity });
        Ok(())
    }

    /// The digest of a file's content, read now.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub(crate) fn hash(path: &Path) -> io::Result<Digest> {
        Ok(hash(File::open(path)?, path)?.digest)
    }

    fn know(&self, hashed: Hashed) {
        self.known.lock().insert(hashed.identity.inode(), hashed);
    }
}

/// Hashes the content behind a handle. Its identity is the same before and after, and no other content has it.
fn hash(mut file: File, path: &Path) -> io::Result<Hashed> {
    let identity = FileIdentity::of(&file.metadata()?);
    identity.wait_for_clock();
    let mut hasher = blake3::Hasher::new();
    if identity.size() < LARGE {
        hasher.update_reader(&mut file)?;
    } else {
        let map = MappedFile::of(file.try_clone()?, path)?;
        hasher.update_rayon(&map);
    }
    check(&file, path, &identity)?;
    Ok(Hashed { digest: Digest::from_bytes(*hasher.finalize().as_bytes()), identity })
}

fn check(file: &File, path: &Path, before: &FileIdentity) -> io::Result<()> {
    match FileIdentity::of(&file.metadata()?).change_since(before) {
        None => Ok(()),
        Some(change) => Err(io::Error::other(FileChanged::Changed { path: path.to_owned(), change })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        time::{Duration, SystemTime},
    };

    #[test]
    fn a_file_is_read_again_when_it_was_written_to_even_if_its_size_and_time_were_restored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
        };
        let digests = FileDigests::default();
        write(b"first");
        assert_eq!(digests.of(&path).unwrap().digest, Digest::of(b"first"));
        write(b"other");
        assert_eq!(digests.of(&path).unwrap().digest, Digest::of(b"other"));
        write(b"longer");
        assert_eq!(digests.of(&path).unwrap().digest, Digest::of(b"longer"));
    }

    #[test]
    fn a_file_that_stays_the_same_is_read_once_under_all_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        fs::write(&path, b"first").unwrap();
        let digests = FileDigests::default();
        // A wrong digest, so that a second read of the content would show.
        digests.insert(&path, Digest::of(b"known")).unwrap();
        std::os::unix::fs::symlink(&path, folder.path().join("link")).unwrap();
        for name in ["model.safetensors", "link"] {
            assert_eq!(digests.of(&folder.path().join(name)).unwrap().digest, Digest::of(b"known"));
        }
    }

    #[test]
    fn a_large_file_has_the_digest_of_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let content: Vec<u8> = (0..=255).cycle().take(3_000_001).collect();
        fs::write(&path, &content).unwrap();
        assert_eq!(FileDigests::default().of(&path).unwrap().digest, Digest::of(&content));
    }

    #[test]
    fn the_content_of_a_small_file_comes_with_its_own_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.json");
        fs::write(&path, b"[1, 2]").unwrap();
        let (content, hashed) = FileDigests::read(&path).unwrap();
        assert_eq!((content.as_slice(), hashed.digest), (&b"[1, 2]"[..], Digest::of(b"[1, 2]")));
    }
}
