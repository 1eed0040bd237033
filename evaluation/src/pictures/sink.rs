use crate::DataError;
use memmap2::Mmap;
use std::{
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// Where pixels lie.
pub(super) enum Pixels {
    Memory(Vec<u8>),
    /// The first bytes of a mapped cache file.
    Mapped(Mmap, usize),
}

impl Pixels {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Memory(bytes) => bytes,
            Self::Mapped(map, size) => &map[..*size],
        }
    }
}

/// Where pixels go while a split is read, in any order.
pub(super) enum Sink {
    Memory(Vec<u8>),
    /// A temporary file beside the one it becomes.
    File {
        file: NamedTempFile,
        path: PathBuf,
        size: usize,
    },
}

impl Sink {
    pub(super) fn memory(size: usize) -> Result<Self, DataError> {
        Ok(Self::Memory(vec![0; size]))
    }

    pub(super) fn file(path: &Path, size: usize) -> Result<Self, DataError> {
        let failed = |source| DataError::Read { path: path.into(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).map_err(failed)?;
        let file = NamedTempFile::new_in(folder).map_err(failed)?;
        Ok(Self::File { file, path: path.into(), size })
    }

    pub(super) fn put(&mut self, place: usize, pixels: &[u8]) -> Result<(), DataError> {
        let at = place * pixels.len();
        match self {
            Self::Memory(bytes) => bytes[at..at + pixels.len()].copy_from_slice(pixels),
            Self::File { file, path, .. } => {
                let written = file.seek(SeekFrom::Start(at as u64)).and_then(|_| file.write_all(pixels));
                written.map_err(|source| DataError::Read { path: path.clone(), source })?;
            }
        }
        Ok(())
    }

    pub(super) fn into_memory(self) -> Pixels {
        match self {
            Self::Memory(bytes) => Pixels::Memory(bytes),
            Self::File { .. } => Pixels::Memory(Vec::new()),
        }
    }
}
