use files::{FileChanged, MappedFile};
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::Path,
};
use tempfile::{NamedTempFile, PersistError};

/// A kind of cache files: a body, a header as JSON, its length in eight bytes, the kind's mark, and the blake3 hash of
/// all before the hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The end of the files' names.
    pub(crate) ending: &'static str,
    /// Marks the layout of body and header.
    pub(crate) mark: &'static [u8; 8],
}

const HASH: usize = 32;
const TAIL: usize = 8 + 8 + HASH;

/// A mapped file whose hash was right when it was opened.
#[derive(Debug)]
pub(crate) struct Entry {
    map: MappedFile,
    kind: Kind,
    size: usize,
}

impl Entry {
    /// The body.
    pub(crate) fn body(&self) -> &[u8] {
        &self.map[..self.size]
    }

    /// Fails unless the file holds what it held when it was opened. Of processes that make the same file at a time one
    /// replaces what the other has mapped, so a change of names and links is none.
    ///
    /// # Errors
    /// Says what became of the file.
    pub(crate) fn check(&self) -> Result<(), FileChanged> {
        self.map.check().or_else(|changed| if is_whole(&self.map, self.kind) { Ok(()) } else { Err(changed) })
    }
}

/// Maps a finished file: its header, and the file. `None` if there is no file, or a damaged one, or one whose header
/// does not fit to the length of the body.
pub(crate) fn load<H: DeserializeOwned>(
    path: &Path,
    kind: Kind,
    fits: impl FnOnce(&H, usize) -> bool,
) -> Option<(H, Entry)> {
    let file = File::open(path).ok()?;
    let loaded = MappedFile::of(file, path).ok().and_then(|map| {
        let (header, size) = verify(&map, kind)?;
        fits(&header, size).then_some((header, Entry { map, kind, size }))
    });
    if loaded.is_none() {
        tracing::warn!(path = %path.display(), "cache file is damaged, made anew");
    }
    loaded
}

fn is_whole(bytes: &[u8], kind: Kind) -> bool {
    verify::<IgnoredAny>(bytes, kind).is_some()
}

fn verify<H: DeserializeOwned>(bytes: &[u8], kind: Kind) -> Option<(H, usize)> {
    let (body, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
    let tail = body.get(body.len().checked_sub(TAIL - HASH)?..)?;
    let (length, mark) = tail.split_at(8);
    if mark != kind.mark || blake3::Hasher::new().update_rayon(body).finalize().as_bytes() != hash {
        return None;
    }
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let size = body.len().checked_sub(tail.len())?.checked_sub(length)?;
    Some((serde_json::from_slice(&body[size..size + length]).ok()?, size))
}

/// Writes what follows a body of `size` bytes.
///
/// # Errors
/// The disk does not take it.
pub(crate) fn complete(file: &mut NamedTempFile, header: &impl Serialize, size: usize, kind: Kind) -> io::Result<()> {
    let json = serde_json::to_vec(header)?;
    file.as_file().set_len(size as u64)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&json)?;
    file.write_all(&(json.len() as u64).to_le_bytes())?;
    file.write_all(kind.mark)?;
    file.rewind()?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(&mut *file.as_file_mut())?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(hasher.finalize().as_bytes())?;
    file.as_file().sync_all()
}

/// Gives a complete file its name.
///
/// # Errors
/// It cannot get that name; it is given back.
pub(crate) fn name(file: NamedTempFile, path: &Path) -> Result<File, PersistError> {
    let file = file.persist(path)?;
    // The rename itself is made durable by syncing the folder; where a system cannot do that, it is left to the system.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        folder.sync_all().ok();
    }
    Ok(file)
}

/// Maps a file of `kind` that has its name, and a body of `size` bytes.
///
/// # Errors
/// The system refuses.
pub(crate) fn map(file: &File, path: &Path, kind: Kind, size: usize) -> io::Result<Entry> {
    Ok(Entry { map: MappedFile::of(file.try_clone()?, path)?, kind, size })
}
