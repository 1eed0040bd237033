use super::{
    Header,
    sink::{Pixels, Sink, read_back},
};
use crate::{DataError, Preprocess, SEMANTICS, Source};
use memmap2::Mmap;
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::{NamedTempFile, PersistError};

/// Marks the layout of a cache file: pixels, header as JSON, its length in eight bytes, this mark, and the blake3 hash of
/// all before the hash.
const MARK: &[u8; 8] = b"bwlpix02";
const HASH: usize = 32;
const TAIL: usize = 8 + MARK.len() + HASH;

/// A folder in which preprocessed pictures are kept between runs.
///
/// A file's name is a hash of [`SEMANTICS`], the digest, the columns, the rows taken and the preprocessing, so the digest
/// need only tell the data files apart. Files are written under a temporary name, synced and renamed. Where that fails, as
/// on a full disk, the pictures stay in memory, with a warning.
#[derive(Debug, Clone, Copy)]
pub struct DiskCache<'a> {
    /// The folder; it is made if it is not there.
    pub folder: &'a Path,
    /// What the data files hold: their digest.
    pub digest: &'a str,
}

impl DiskCache<'_> {
    pub(super) fn path(&self, source: &Source<'_>, preprocess: &Preprocess) -> PathBuf {
        let meaning = format!(
            "{SEMANTICS} {:?} {:?} {:?} {:?} {preprocess:?}",
            self.digest, source.image_column, source.label_column, source.rows
        );
        self.folder.join(format!("{}.pixels", blake3::hash(meaning.as_bytes()).to_hex()))
    }
}

/// Maps a finished file; `None` if there is none, or a damaged one.
pub(super) fn load(path: &Path) -> Option<(Header, Pixels)> {
    let file = File::open(path).ok()?;
    let loaded = map(&file).ok().and_then(|map| {
        let (header, size) = verify(&map)?;
        Some((header, Pixels::Mapped(map, size)))
    });
    if loaded.is_none() {
        tracing::warn!(path = %path.display(), "cache file is damaged, made anew");
    }
    loaded
}

fn verify(bytes: &[u8]) -> Option<(Header, usize)> {
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    let tail = body.get(body.len().checked_sub(TAIL - HASH)?..)?;
    let (length, mark) = tail.split_at(8);
    if mark != MARK || blake3::Hasher::new().update_rayon(body).finalize().as_bytes() != hash {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let size = body.len().checked_sub(tail.len())?.checked_sub(length)?;
    let header: Header = serde_json::from_slice(&body[size..size + length]).ok()?;
    (size == 3 * header.edge.pow(2) * header.labels.len()).then_some((header, size))
}

/// Completes a file, gives it its name and maps it; what cannot be kept on the disk stays in memory.
///
/// # Errors
/// Neither can be done.
pub(super) fn finish(sink: Sink, header: &Header, path: &Path) -> Result<Pixels, DataError> {
    let (mut file, size) = match sink {
        Sink::Memory(pixels) => return Ok(Pixels::Memory(pixels)),
        Sink::File { file, size, .. } => (file, size),
    };
    if let Err(cause) = complete(&mut file, header, size) {
        return read_back(file.as_file_mut(), size, path, &cause).map(Pixels::Memory);
    }
    let mut file = match file.persist(path) {
        Ok(file) => file,
        Err(PersistError { error, mut file }) => {
            return read_back(file.as_file_mut(), size, path, &error).map(Pixels::Memory);
        }
    };
    // The rename itself is made durable by syncing the folder; where a system cannot do that, it is left to the system.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        folder.sync_all().ok();
    }
    match map(&file) {
        Ok(map) => Ok(Pixels::Mapped(map, size)),
        Err(cause) => read_back(&mut file, size, path, &cause).map(Pixels::Memory),
    }
}

/// Writes what follows the pixels.
fn complete(file: &mut NamedTempFile, header: &Header, size: usize) -> io::Result<()> {
    let json = serde_json::to_vec(header)?;
    file.as_file().set_len(size as u64)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(MARK)?;
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut *file.as_file_mut())?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(hasher.finalize().as_bytes())?;
    file.as_file().sync_all()
}

#[expect(
    unsafe_code,
    reason = "a map is only sound while nobody shortens the file; cache files are never written again"
)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a cache file is complete when it gets its name, and replaced by rename, not in place.
    unsafe { Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::sink::fill_disk;

    fn header() -> Header {
        Header { edge: 1, labels: vec![0, 0], classes: None }
    }

    fn full(path: &Path) -> Sink {
        let mut sink = Sink::file(path, 6);
        sink.put(1, &[4, 5, 6]).unwrap();
        sink.put(0, &[1, 2, 3]).unwrap();
        sink
    }

    #[test]
    fn a_disk_that_is_full_at_the_end_loses_no_picture_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        let pixels = finish(fill_disk(full(&path)), &header(), &path).unwrap();
        assert!(matches!(&pixels, Pixels::Memory(pixels) if *pixels == [1, 2, 3, 4, 5, 6]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_cannot_get_its_name_loses_no_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let pixels = finish(full(&path), &header(), &path).unwrap();
        assert_eq!(pixels.bytes(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only what was in the way");
    }

    #[test]
    fn a_finished_file_is_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        let pixels = finish(full(&path), &header(), &path).unwrap();
        assert!(matches!(pixels, Pixels::Mapped(..)));
        let (loaded, pixels) = load(&path).unwrap();
        assert_eq!((loaded, pixels.bytes()), (header(), &[1, 2, 3, 4, 5, 6][..]));
    }
}
