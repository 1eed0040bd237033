use super::IN_MEMORY;
use crate::{
    DataError,
    cache::Entry,
    limits::{Ceiling, room_for},
};
use files::FileChanged;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Where pixels lie.
pub(super) enum Pixels {
    Memory(Vec<u8>),
    /// The body of a mapped cache file.
    Mapped(Entry),
}

impl Pixels {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Mapped(entry) => entry.body(),
        }
    }

    pub(super) fn check(&self) -> Result<(), FileChanged> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Mapped(entry) => entry.check(),
        }
    }
}

/// Where pixels go while a split is read, in any order.
///
/// A cache that cannot be written costs time and memory, but no images: the sink goes on in memory, with a warning.
pub(super) enum Sink {
    Memory(Vec<u8>),
    /// A temporary file beside the one it becomes.
    File {
        file: NamedTempFile,
        path: PathBuf,
        size: usize,
        /// Bytes that the pixels may take in memory, should the file take nothing more.
        limit: u64,
    },
}

/// The memory that pixels may take.
#[derive(Clone, Copy)]
pub(super) struct Memory<'a> {
    pub(super) limit: u64,
    /// The file that stands for the data set in messages.
    pub(super) path: &'a Path,
}

impl Memory<'_> {
    /// # Errors
    /// `size` is more than the limit, or than the system gives.
    pub(super) fn room_for(self, size: usize) -> Result<(), DataError> {
        let path = || self.path.to_path_buf();
        let ceiling = Ceiling { limit: self.limit, ..IN_MEMORY };
        ceiling.check(size as u64).map_err(|source| DataError::TooLarge { path: path(), source })?;
        room_for(size as u64).map_err(|source| DataError::Read { path: path(), source })
    }
}

impl Sink {
    /// # Errors
    /// The pixels take more than they may, or than there is.
    pub(super) fn memory(size: usize, memory: Memory<'_>) -> Result<Self, DataError> {
        memory.room_for(size)?;
        Ok(Self::Memory(vec![0; size]))
    }

    /// # Errors
    /// There can be no file, and the pixels take more memory than they may.
    pub(super) fn file(path: &Path, size: usize, memory: Memory<'_>) -> Result<Self, DataError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        match std::fs::create_dir_all(folder).and_then(|()| NamedTempFile::new_in(folder)) {
            Ok(file) => Ok(Self::File { file, path: path.into(), size, limit: memory.limit }),
            Err(cause) => {
                warn(path, &cause);
                Self::memory(size, memory)
            }
        }
    }

    /// # Errors
    /// The cache file takes nothing more, and what it took cannot be read back.
    pub(super) fn put(&mut self, place: usize, pixels: &[u8]) -> Result<(), DataError> {
        let at = place * pixels.len();
        if let Self::File { file, path, size, limit } = self {
            let Err(cause) = file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.write_all(pixels)) else {
                return Ok(());
            };
            Memory { limit: *limit, path: path.as_path() }.room_for(*size)?;
            // The temporary file goes when it is dropped here.
            *self = Self::Memory(read_back(file.as_file_mut(), *size, path, &cause)?);
        }
        if let Self::Memory(bytes) = self {
            bytes[at..at + pixels.len()].copy_from_slice(pixels);
        }
        Ok(())
    }
}

/// The pixels that a cache file took before `cause` ended its writing, with a warning. What it did not take is black.
pub(super) fn read_back(file: &mut File, size: usize, path: &Path, cause: &io::Error) -> Result<Vec<u8>, DataError> {
    warn(path, cause);
    let mut pixels = Vec::with_capacity(size);
    let read = file.rewind().and_then(|()| file.take(size as u64).read_to_end(&mut pixels));
    read.map_err(|source| DataError::Read { path: path.into(), source })?;
    pixels.resize(size, 0);
    Ok(pixels)
}

fn warn(path: &Path, cause: &io::Error) {
    tracing::warn!(path = %path.display(), %cause, "images cannot be cached on the disk, kept in memory");
}

/// Makes every further write to a sink's file fail, as on a full disk.
#[cfg(test)]
pub(super) fn fill_disk(sink: Sink) -> Sink {
    let Sink::File { file, path, size, limit } = sink else { panic!("the sink is in memory") };
    let temporary = file.into_temp_path();
    let read_only = File::open(&temporary).unwrap();
    Sink::File { file: NamedTempFile::from_parts(read_only, temporary), path, size, limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_fills_up_under_way_loses_no_image_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { limit: 12, path: Path::new("x") };
        let mut sink = Sink::file(&folder.path().join("x.pixels"), 12, memory).unwrap();
        sink.put(1, &[4, 5, 6]).unwrap();
        sink.put(3, &[10, 11, 12]).unwrap();
        let mut sink = fill_disk(sink);
        sink.put(0, &[1, 2, 3]).unwrap();
        sink.put(2, &[7, 8, 9]).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let Sink::Memory(pixels) = sink else { panic!("still on the disk") };
        assert_eq!(pixels, (1..=12).collect::<Vec<u8>>());
    }
}
