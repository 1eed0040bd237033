use super::{Remote, RemoteObject};
use jobs::{ArtefactResult, JobId, S3Ref};
use std::{fmt, ops::Range, path::Path, sync::OnceLock};
use store::{Action, BackendError, Problem, Store, StoreError};
use tokio::runtime::Handle;

/// The name of artefacts among buckets: no bucket can have it, so that they do not collide in the cache.
pub(crate) const ARTEFACTS: &str = "artefact:";

/// The files that other jobs made, read from the store.
///
/// A store may be given later than inputs are set up; without one, there are no artefacts. Calls block, and must come
/// from no async thread.
#[derive(Default)]
pub struct Artefacts {
    store: OnceLock<(Store, Handle)>,
}

impl Artefacts {
    /// Uses `store` from now on, on the threads of `runtime`. The first store stays.
    pub fn give(&self, store: Store, runtime: Handle) {
        let _ = self.store.set((store, runtime));
    }

    fn made(&self, job: &str) -> Result<Option<ArtefactResult>, BackendError> {
        let Ok(id) = job.parse::<JobId>() else { return Ok(None) };
        let (store, runtime) = self.open(job)?;
        runtime.block_on(store.artefact_result(&id)).map_err(|error| failed(job, error))
    }

    fn open(&self, job: &str) -> Result<&(Store, Handle), BackendError> {
        let none = || BackendError {
            action: Action::Open,
            object: format!("the artefact of job {job}"),
            problem: Problem::Other,
            source: Some("this process was given no store that has artefacts".into()),
        };
        self.store.get().ok_or_else(none)
    }

    /// The artefact and the name of the file that `key` names.
    fn of_key(&self, key: &str) -> Result<Option<(ArtefactResult, RemoteObject, String)>, BackendError> {
        let Some((job, name)) = key.split_once('/') else { return Ok(None) };
        let Some(made) = self.made(job)? else { return Ok(None) };
        let Some(file) = made.artefact.file(name) else { return Ok(None) };
        let object = RemoteObject { key: key.to_owned(), size: file.size, etag: Some(file.digest.to_string()) };
        let name = file.name.clone();
        Ok(Some((made, object, name)))
    }
}

/// A job's artefact as a folder of objects.
pub(crate) fn place_of(job: &JobId) -> S3Ref {
    S3Ref { bucket: ARTEFACTS.to_owned(), key: job.to_string() }
}

impl Remote for Artefacts {
    fn list(&self, _bucket: &str, folder: &str) -> Result<Vec<RemoteObject>, BackendError> {
        let Some(made) = self.made(folder)? else { return Ok(Vec::new()) };
        let object = |file: &jobs::ArtefactFile| RemoteObject {
            key: format!("{folder}/{}", file.name),
            size: file.size,
            etag: Some(file.digest.to_string()),
        };
        Ok(made.artefact.files.iter().map(object).collect())
    }

    fn find(&self, _bucket: &str, key: &str) -> Result<Option<RemoteObject>, BackendError> {
        Ok(self.of_key(key)?.map(|(_, object, _)| object))
    }

    /// The fetched file is what the job made: the store checks its digest.
    fn fetch(&self, _bucket: &str, key: &str, path: &Path) -> Result<RemoteObject, BackendError> {
        let missing = || BackendError {
            action: Action::Read,
            object: key.to_owned(),
            problem: Problem::Other,
            source: Some("no job made such a file".into()),
        };
        let (made, object, name) = self.of_key(key)?.ok_or_else(missing)?;
        let file = made.artefact.file(&name).ok_or_else(missing)?;
        let (store, runtime) = self.open(key)?;
        runtime.block_on(store.get_artefact_file(&made, file, path)).map_err(|error| failed(key, error))?;
        Ok(object)
    }

    /// Artefacts are fetched whole: their headers are not read separately.
    fn part(&self, _bucket: &str, key: &str, _range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        Err(BackendError {
            action: Action::Read,
            object: key.to_owned(),
            problem: Problem::Other,
            source: Some("artefacts are not read in parts".into()),
        })
    }
}

/// The error of the store as an error of a backend.
fn failed(object: &str, error: StoreError) -> BackendError {
    match error {
        StoreError::Backend(error) => error,
        error => BackendError {
            action: Action::Read,
            object: object.to_owned(),
            problem: Problem::Other,
            source: Some(Box::new(error)),
        },
    }
}

impl fmt::Debug for Artefacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artefacts").field("is_open", &self.store.get().is_some()).finish()
    }
}
