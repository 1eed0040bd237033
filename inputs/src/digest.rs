use jobs::Digest;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// Digests of files, each read once as long as its size and time of change stay the same.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    known: Mutex<HashMap<PathBuf, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    size: u64,
    modified: SystemTime,
    digest: Digest,
}

impl FileDigests {
    /// The digest of a file's content. Large files are mapped and hashed by all threads. Links to one file share it.
    pub(crate) fn of(&self, path: &Path) -> io::Result<Digest> {
        let path = fs::canonicalize(path)?;
        let (size, modified) = size_and_time(&path)?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&path).copied();
        if let Some(known) = known.filter(|known| known.size == size && known.modified == modified) {
            return Ok(known.digest);
        }
        let digest = Self::hash(&path)?;
        self.know(path, Known { size, modified, digest });
        Ok(digest)
    }

    /// Takes over the digest of a file that is known otherwise.
    pub(crate) fn insert(&self, path: &Path, digest: Digest) -> io::Result<()> {
        let path = fs::canonicalize(path)?;
        let (size, modified) = size_and_time(&path)?;
        self.know(path, Known { size, modified, digest });
        Ok(())
    }

    /// The digest of a file's content, read now.
    pub(crate) fn hash(path: &Path) -> io::Result<Digest> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_mmap_rayon(path)?;
        Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
    }

    fn know(&self, path: PathBuf, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(path, known);
    }
}

fn size_and_time(path: &Path) -> io::Result<(u64, SystemTime)> {
    let metadata = fs::metadata(path)?;
    Ok((metadata.len(), metadata.modified()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, time::Duration};

    #[test]
    fn a_file_is_read_again_only_when_its_size_or_time_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |content: &[u8], time| {
            fs::write(&path, content).unwrap();
            File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
        };
        let digests = FileDigests::default();
        write(b"first", then);
        assert_eq!(digests.of(&path).unwrap(), Digest::of(b"first"));
        write(b"other", then);
        assert_eq!(digests.of(&path).unwrap(), Digest::of(b"first"), "not read again");
        write(b"other", then + Duration::from_secs(1));
        assert_eq!(digests.of(&path).unwrap(), Digest::of(b"other"));
        write(b"longer", then + Duration::from_secs(1));
        assert_eq!(digests.of(&path).unwrap(), Digest::of(b"longer"));
    }

    #[test]
    fn a_large_file_has_the_digest_of_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let content: Vec<u8> = (0..=255).cycle().take(3_000_001).collect();
        fs::write(&path, &content).unwrap();
        assert_eq!(FileDigests::default().of(&path).unwrap(), Digest::of(&content));
    }
}
