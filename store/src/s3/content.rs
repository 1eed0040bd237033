use super::failure::{RequestFailure, S3Failure};
use crate::{BackendError, Problem};
use bytes::Bytes;
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// What is to be written: bytes in memory, or a file that is read piece by piece.
///
/// A request may be made again, and so may a whole upload: content can be read more than once.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Bytes(Bytes),
    File { path: PathBuf, bytes: u64 },
}

impl Content {
    /// The content of the file at `path`.
    pub(super) async fn of_file(path: &Path) -> Result<Self, RequestFailure> {
        let metadata = tokio::fs::metadata(path).await.map_err(|error| unreadable(path, error))?;
        Ok(Self::File { path: path.to_owned(), bytes: metadata.len() })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(content) => content.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }

    /// A piece of it, which is in memory from then on.
    pub(super) async fn piece(&self, range: Range<u64>) -> Result<Bytes, RequestFailure> {
        match self {
            Self::Bytes(content) => Ok(content.slice(range.start as usize..range.end as usize)),
            Self::File { path, .. } => {
                let file = path.clone();
                let read = spawn_blocking(move || read_piece(&file, range)).await;
                let read = read.unwrap_or_else(|error| Err(io::Error::other(error)));
                read.map_err(|error| unreadable(path, error))
            }
        }
    }

    /// All of it.
    pub(super) async fn whole(&self) -> Result<Bytes, RequestFailure> {
        self.piece(0..self.len()).await
    }
}

fn read_piece(path: &Path, range: Range<u64>) -> io::Result<Bytes> {
    let mut piece = vec![0; (range.end - range.start) as usize];
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(range.start))?;
    // A file that became shorter meanwhile is an error here.
    file.read_exact(&mut piece)?;
    Ok(piece.into())
}

fn unreadable(path: &Path, source: io::Error) -> RequestFailure {
    let problem = match BackendError::problem_of(&source) {
        // The file lies on this machine. A new request to S3 would not help.
        Problem::Unavailable => Problem::Other,
        problem => problem,
    };
    RequestFailure { problem, failure: S3Failure::Content { path: path.display().to_string(), source }, again: false }
}
