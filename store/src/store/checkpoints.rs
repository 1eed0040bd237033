//! What unfinished jobs have come to.
//!
//! A job that tunes keeps a small text. A leg of a training keeps a file when it rests, which may have gigabytes and is never in memory
//! as a whole.

use super::{
    Store,
    artefacts::digest_of,
    records::{decode, encode},
};
use crate::{Key, KeyError, StoreError};
use jobs::{Digest, JobId, RestedFile};
use std::{collections::BTreeSet, fs, path::Path};

const CHECKPOINTS: &str = "checkpoints";

/// The record of a folder, which names the file that counts.
const RECORD: &str = "rested.json";

impl Store {
    /// Keeps the checkpoint of `job`, in place of the one before.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn put_checkpoint(&self, job: &JobId, content: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.backend.put(&key(job)?, content).await?)
    }

    /// The checkpoint of `job`, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn checkpoint(&self, job: &JobId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.backend.get(&key(job)?).await?)
    }

    /// Keeps the file `from` as what `job` has come to, in place of the one before. Whenever this ends, one of the two is there whole.
    ///
    /// Ended before the record is written, it leaves a file that nothing names, until the job is over.
    ///
    /// # Errors
    /// `from` cannot be read, or the store cannot be written.
    pub async fn put_rested(&self, job: &JobId, from: &Path) -> Result<(), StoreError> {
        let digest = digest_of(from).await?;
        let file = |source| StoreError::File { path: from.to_owned(), source };
        let size = fs::metadata(from).map_err(file)?.len();
        let before = self.backend.get(&record_key(job)?).await?;
        // One that is there already may be damaged.
        self.backend.put_file(&file_key(job, &digest)?, from).await?;
        let record = record_key(job)?;
        self.backend.put(&record, encode(&record, &RestedFile::new(*job, digest, size))?).await?;
        // Only what the record named before, not all that is there: another worker that was given the same job may be about to name
        // its file.
        let before = before.and_then(|content| decode::<RestedFile>(&record, &content).ok());
        if let Some(before) = before.filter(|before| before.digest != digest) {
            self.backend.delete(&file_key(job, &before.digest)?).await?;
        }
        Ok(())
    }

    /// Reads into the file `to` what `job` had come to; `false` if it has kept nothing.
    ///
    /// # Errors
    /// The record is none of this job or of another version; the file that it names is gone or was altered; the store cannot be read or
    /// `to` not be written.
    pub async fn get_rested(&self, job: &JobId, to: &Path) -> Result<bool, StoreError> {
        let record = record_key(job)?;
        let Some(mut content) = self.backend.get(&record).await? else { return Ok(false) };
        loop {
            let Err(error) = self.get_rested_file(job, &content, to).await else { return Ok(true) };
            if !error.is_of_one_object() {
                return Err(error);
            }
            // Another worker that was given the same job may have put a later state in the place of this one, or have ended the job.
            match self.backend.get(&record).await? {
                None => return Ok(false),
                Some(now) if now == content => return Err(error),
                Some(now) => content = now,
            }
        }
    }

    /// Reads the file that a record names.
    async fn get_rested_file(&self, job: &JobId, content: &[u8], to: &Path) -> Result<(), StoreError> {
        let record = record_key(job)?;
        let RestedFile { job: of, digest: expected, size, .. } = decode(&record, content)?;
        if of != *job {
            return Err(StoreError::Misplaced { key: record, expected: record_key(&of)? });
        }
        let key = file_key(job, &expected)?;
        match self.backend.size(&key).await? {
            Some(found) if found == size => {}
            // It is not fetched first.
            Some(found) => return Err(StoreError::Resized { key, expected: size, found }),
            None => return Err(StoreError::NoFile { key }),
        }
        if self.backend.get_file(&key, to).await?.is_none() {
            return Err(StoreError::NoFile { key });
        }
        match digest_of(to).await? {
            found if found == expected => Ok(()),
            found => Err(StoreError::Altered { key, expected, found }),
        }
    }

    /// Deletes all that `job` has kept of itself; that there is nothing is no error.
    ///
    /// # Errors
    /// The store cannot be listed, or an object cannot be deleted.
    pub async fn remove_checkpoint(&self, job: &JobId) -> Result<(), StoreError> {
        self.backend.delete(&key(job)?).await?;
        // First, so that an interrupted removal leaves files that are never read.
        self.backend.delete(&record_key(job)?).await?;
        let mut listing = self.backend.list(Some(&folder(job)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            for key in keys {
                self.backend.delete(&key).await?;
            }
        }
        Ok(())
    }

    /// The jobs that have kept something of themselves.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn jobs_with_checkpoints(&self) -> Result<BTreeSet<JobId>, StoreError> {
        let mut jobs = BTreeSet::new();
        let mut listing = self.backend.list(Some(&Key::new(CHECKPOINTS)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            jobs.extend(keys.iter().filter_map(job_of));
        }
        Ok(jobs)
    }
}

/// The job that a key is of, if it looks like one: `checkpoints/<job>.json` or `checkpoints/<job>/…`.
fn job_of(key: &Key) -> Option<JobId> {
    let name = key.as_str().strip_prefix(CHECKPOINTS)?.strip_prefix('/')?;
    let (job, _) = name.split_once(['.', '/'])?;
    job.parse().ok()
}

fn key(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{CHECKPOINTS}/{job}.json"))
}

fn folder(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{CHECKPOINTS}/{job}"))
}

fn record_key(job: &JobId) -> Result<Key, KeyError> {
    Key::new(format!("{}/{RECORD}", folder(job)?))
}

fn file_key(job: &JobId, digest: &Digest) -> Result<Key, KeyError> {
    Key::new(format!("{}/{digest}.safetensors", folder(job)?))
}

#[cfg(test)]
mod tests;
