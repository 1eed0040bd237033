mod clock;
mod listing;
mod local;
#[cfg(test)]
mod tests;
mod write;

use crate::{Action, Backend, BackendError, Dated, Key, Listing, Put, Written};
use async_trait::async_trait;
use clock::{FileClock, modified_ms};
use listing::FolderListing;
use local::{is_absent, is_local};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::task::spawn_blocking;
use write::{Collision, Target, Writer};

/// A folder of files, one per object, on this machine or a shared file system.
///
/// A file is written under a temporary name in `.tmp`, synced, renamed to its key and its folder synced: it is there
/// whole or not at all, whenever the machine stops. The rename of a conditional write fails where there is a file, so
/// that of many writers one wins, in other processes as well. What writers that died leave in `.tmp` is never listed,
/// and is removed when the store is next created and it is a day old.
#[derive(Debug, Clone)]
pub struct FolderBackend {
    root: Arc<Path>,
    /// Whether the file system is one of this machine.
    local: bool,
    writer: Writer,
    clock: FileClock,
}

/// Where files are written before they get their name. Keys cannot lead here: no part of one begins with a dot.
const TEMPORARY: &str = ".tmp";
/// The age from which a temporary file has no writer any more.
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60);

impl FolderBackend {
    /// Opens the store in the folder `root` to read and write; makes the folder where it is missing.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, BackendError> {
        let root = root.into();
        let temporary = root.join(TEMPORARY);
        let prepare = || {
            fs::create_dir_all(&temporary)?;
            remove_leftovers(&temporary, LEFTOVER_AGE);
            tempfile::tempfile_in(&temporary)?;
            fs::canonicalize(&root)
        };
        let canonical = prepare().map_err(|error| failed(Action::Open, &root, error))?;
        Ok(Self::at(canonical))
    }

    /// Opens the store in the folder `root`, which must be there. Nothing is changed by it, so that a store can be
    /// read by those who may not write to it.
    ///
    /// # Errors
    /// There is no such folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, BackendError> {
        let root = root.into();
        let canonical = fs::read_dir(&root).and_then(|_| fs::canonicalize(&root));
        let canonical = canonical.map_err(|error| failed(Action::Open, &root, error))?;
        Ok(Self::at(canonical))
    }

    fn at(root: PathBuf) -> Self {
        Self { local: is_local(&root), root: root.into(), writer: Writer::default(), clock: FileClock::default() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    async fn write(&self, key: &Key, content: Vec<u8>, collision: Collision) -> Result<Put, BackendError> {
        let this = self.clone();
        let write = move |path: &Path| {
            let target = Target { root: &this.root, temporary: &this.root.join(TEMPORARY), path };
            this.writer.write(target, &content, collision)
        };
        blocking(Action::Write, self.path(key), write).await
    }

    async fn write_file(&self, key: &Key, from: &Path, collision: Collision) -> Result<Put, BackendError> {
        let this = self.clone();
        let from = from.to_owned();
        let write = move |path: &Path| {
            let target = Target { root: &this.root, temporary: &this.root.join(TEMPORARY), path };
            this.writer.write_file(target, &from, collision)
        };
        blocking(Action::Write, self.path(key), write).await
    }
}

#[async_trait]
impl Backend for FolderBackend {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        let path = self.path(key);
        // Before each job, a worker asks for a result that is almost never there. A local file system answers in less time than
        // the change to another thread takes.
        if self.local && is_absent(&path) {
            return Ok(None);
        }
        blocking(Action::Read, path, |path| absent_as_none(fs::read(path))).await
    }

    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, BackendError>> {
        // A small file takes less time than the change to another thread.
        let paths: Vec<PathBuf> = keys.iter().map(|key| self.path(key)).collect();
        let read_all = move || paths.iter().map(|path| read(path)).collect();
        match spawn_blocking(read_all).await {
            Ok(contents) => contents,
            Err(error) => {
                let lost = |key| failed(Action::Read, &self.path(key), io::Error::other(error.to_string()));
                keys.iter().map(|key| Err(lost(key))).collect()
            }
        }
    }

    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        let clock = self.clock.clone();
        let temporary = self.root.join(TEMPORARY);
        blocking(Action::Read, self.path(key), move |path| absent_as_none(read_dated(path, &clock, &temporary))).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        self.write(key, content, Collision::Keep).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.write(key, content, Collision::Replace).await.map(|_| ())
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError> {
        let size = |path: &Path| Ok(absent_as_none(fs::metadata(path))?.map(|metadata| metadata.len()));
        blocking(Action::Read, self.path(key), size).await
    }

    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError> {
        let to = to.to_owned();
        let copy = move |path: &Path| match absent_as_none(File::open(path))? {
            Some(mut object) => io::copy(&mut object, &mut File::create(&to)?).map(Some),
            None => Ok(None),
        };
        blocking(Action::Read, self.path(key), copy).await
    }

    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError> {
        self.write_file(key, from, Collision::Keep).await
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError> {
        self.write_file(key, from, Collision::Replace).await.map(|_| ())
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        Ok(Box::new(FolderListing::new(Arc::clone(&self.root), folder)))
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        let delete = |path: &Path| match absent_as_none(fs::remove_file(path))? {
            Some(()) => write::sync_folder_of(path),
            None => Ok(()),
        };
        blocking(Action::Delete, self.path(key), delete).await
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, BackendError> {
    absent_as_none(fs::read(path)).map_err(|error| failed(Action::Read, path, error))
}

fn read_dated(path: &Path, clock: &FileClock, temporary: &Path) -> io::Result<Dated<Vec<u8>>> {
    let mut file = fs::File::open(path)?;
    let at_ms = modified_ms(&file.metadata()?)?;
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Dated { content, written: Some(Written { at_ms, now_ms: clock.now_ms(temporary) }) })
}

/// Runs `work` on `path` off the async threads, and puts the path into its error.
async fn blocking<T: Send + 'static>(
    action: Action,
    path: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, BackendError> {
    let object = path.clone();
    let done = spawn_blocking(move || work(&path)).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| failed(action, &object, error))
}

fn failed(action: Action, path: &Path, error: io::Error) -> BackendError {
    BackendError::from_io(action, path.display().to_string(), error)
}

fn absent_as_none<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Best effort: what cannot be removed does no harm.
fn remove_leftovers(temporary: &Path, age: Duration) {
    for entry in fs::read_dir(temporary).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed >= age)) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
