use super::{Cache, made_folder_of, read_json};
use crate::{InputError, RemoteObject, digest::FileDigests};
use jobs::Digest;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, Write},
    path::{Path, PathBuf},
};

/// The content of an object's lock file once the object was fetched.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    /// Where it came from, for people.
    object: String,
    etag: Option<String>,
    digest: Digest,
}

impl Cache {
    /// The digest of an object, whose blob is in the cache afterwards.
    ///
    /// If it is not there yet, `download` writes its content into the file it is given. While one process does so,
    /// others wait for it: the lock is one of the operating system's, and free as soon as its process is gone.
    pub(crate) fn object(
        &self,
        bucket: &str,
        object: &RemoteObject,
        download: impl FnOnce(&Path) -> Result<(), InputError>,
    ) -> Result<Digest, InputError> {
        let id = id_of(bucket, object);
        let lock = self.path("objects", id);
        // An object without an ETag may have changed unnoticed, so it is fetched every time.
        let recorded = || object.etag.as_ref().and_then(|_| self.recorded(&lock));
        if let Some(digest) = recorded() {
            return Ok(digest);
        }
        let mut file = locked(&lock).map_err(|source| self.failed(&lock, source))?;
        // Another process may have fetched it in the meantime.
        if let Some(digest) = recorded() {
            return Ok(digest);
        }
        self.clean();
        let partial = self.root.join("partial").join(id.to_string());
        let digest = self.downloaded(&partial, download).inspect_err(|_| {
            let _ = fs::remove_file(&partial);
        })?;
        let record = Record { object: format!("s3://{bucket}/{}", object.key), etag: object.etag.clone(), digest };
        write_record(&mut file, &record).map_err(|source| self.failed(&lock, source))?;
        Ok(digest)
    }

    /// The path of an object's content, according to its record. Its integrity is not checked.
    pub(crate) fn known(&self, bucket: &str, object: &RemoteObject) -> Option<PathBuf> {
        object.etag.as_ref()?;
        let record: Record = read_json(&self.path("objects", id_of(bucket, object)))?;
        Some(self.blob(record.digest)).filter(|blob| blob.is_file())
    }

    /// The digest in the record of an object, if its blob is whole.
    fn recorded(&self, lock: &Path) -> Option<Digest> {
        let record: Record = read_json(lock)?;
        self.is_whole(record.digest).then_some(record.digest)
    }

    fn downloaded(
        &self,
        partial: &Path,
        download: impl FnOnce(&Path) -> Result<(), InputError>,
    ) -> Result<Digest, InputError> {
        made_folder_of(partial).map_err(|source| self.failed(partial, source))?;
        download(partial)?;
        let digest = FileDigests::hash(partial).map_err(|source| self.failed(partial, source))?;
        let blob = self.blob(digest);
        // Other processes may read the blob, and would see a replaced file as a change.
        if self.is_whole(digest) {
            let _ = fs::remove_file(partial);
            return Ok(digest);
        }
        // No flush to the disk: the hash detects damage by a crash of the machine.
        let keep = || {
            made_folder_of(&blob)?;
            fs::rename(partial, &blob)?;
            self.digests.insert(&blob, digest)
        };
        keep().map_err(|source| self.failed(&blob, source))?;
        Ok(digest)
    }
}

/// What distinguishes one version of an object from all others.
fn id_of(bucket: &str, object: &RemoteObject) -> Digest {
    Digest::of_json(&(bucket, &object.key, object.size, &object.etag))
}

/// Opens or creates the lock file `path`, once no other process holds it.
fn locked(path: &Path) -> io::Result<File> {
    made_folder_of(path)?;
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(error)) => return Err(error),
        Err(TryLockError::WouldBlock) => {
            tracing::info!(lock = %path.display(), "waiting for another process that fetches the same object");
            file.lock()?;
        }
    }
    Ok(file)
}

fn write_record(file: &mut File, record: &Record) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(serde_json::to_string(record)?.as_bytes())
}
