//! Files that jobs made.
//!
//! The files of an artefact lie in a folder that is named by what they hold, and the record that names them is
//! written after them, if absent. So two workers that make different files of one job never mix them: each has its
//! folder, and the first record says which one counts. A file that is there under its name is the same file.

use super::{
    Store,
    records::{self, artefact_folder, artefact_key},
};
use crate::{Key, Put, StoreError};
use jobs::{Artefact, ArtefactFile, ArtefactResult, Digest, JobId, JobSpec};
use std::{fs, io, path::Path};
use tokio::task::spawn_blocking;

impl Store {
    /// What `job` made; `None` if it is not done.
    ///
    /// # Errors
    /// The record cannot be read, is corrupt, of another version or of another job.
    pub async fn artefact_result(&self, job: &JobId) -> Result<Option<ArtefactResult>, StoreError> {
        self.record(artefact_key(job)?).await
    }

    /// Keeps what a job made, unless there is a record; the first one stays. The files are there before.
    ///
    /// # Errors
    /// The record names another job than its specification makes, says what cannot be, or cannot be written.
    pub async fn put_artefact_result(&self, result: &ArtefactResult) -> Result<Put, StoreError> {
        let key = artefact_key(&result.job)?;
        let content = records::encode_record(&key, result)?;
        Ok(self.backend.put_if_absent(&key, content).await?)
    }

    /// Keeps the files of an artefact, which lie under their names in `folder`. One that is there already is not
    /// written again.
    ///
    /// # Errors
    /// A file cannot be read or written; the one that is there has another size, and so is none of this artefact's.
    pub async fn put_artefact_files(&self, job: &JobId, artefact: &Artefact, folder: &Path) -> Result<(), StoreError> {
        for file in &artefact.files {
            let key = file_key(job, artefact, file)?;
            let from = folder.join(&file.name);
            if self.backend.put_file_if_absent(&key, &from).await? == Put::Exists {
                self.check_size(key, file).await?;
            }
        }
        Ok(())
    }

    /// Reads a file of an artefact into `to`, which holds what the job wrote then, and nothing else.
    ///
    /// # Errors
    /// The file is not there, was altered, or cannot be read; `to` cannot be written.
    pub async fn get_artefact_file(
        &self,
        result: &ArtefactResult,
        file: &ArtefactFile,
        to: &Path,
    ) -> Result<(), StoreError> {
        let key = file_key(&result.job, &result.artefact, file)?;
        if self.backend.get_file(&key, to).await?.is_none() {
            return Err(StoreError::NoFile { key });
        }
        match digest_of(to).await? {
            found if found == file.digest => Ok(()),
            found => Err(StoreError::Altered { key, expected: file.digest, found }),
        }
    }

    /// Reads all files of an artefact into `folder`, under their names.
    ///
    /// # Errors
    /// As [`get_artefact_file`](Self::get_artefact_file).
    pub async fn get_artefact_files(&self, result: &ArtefactResult, folder: &Path) -> Result<(), StoreError> {
        for file in &result.artefact.files {
            let to = folder.join(&file.name);
            let parent = to.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(|source| StoreError::File { path: parent.to_owned(), source })?;
            self.get_artefact_file(result, file, &to).await?;
        }
        Ok(())
    }

    /// Checks that all files of an artefact exist, with their sizes. Their content is checked when they are read. Files that are
    /// deleted once no job needs them may be gone.
    ///
    /// # Errors
    /// A file is missing or has another size; the store cannot be read.
    pub async fn check_artefact_files(&self, result: &ArtefactResult) -> Result<(), StoreError> {
        for file in result.artefact.files.iter().filter(|file| !result.spec.is_temporary(&file.name)) {
            self.check_size(file_key(&result.job, &result.artefact, file)?, file).await?;
        }
        Ok(())
    }

    /// Checks that those files of an artefact exist, with their sizes, that are deleted once no job needs them.
    ///
    /// # Errors
    /// As [`check_artefact_files`](Self::check_artefact_files).
    pub async fn check_temporary_files(&self, result: &ArtefactResult) -> Result<(), StoreError> {
        for file in result.artefact.files.iter().filter(|file| result.spec.is_temporary(&file.name)) {
            self.check_size(file_key(&result.job, &result.artefact, file)?, file).await?;
        }
        Ok(())
    }

    async fn check_size(&self, key: Key, file: &ArtefactFile) -> Result<(), StoreError> {
        match self.backend.size(&key).await? {
            Some(found) if found == file.size => Ok(()),
            Some(found) => Err(StoreError::Resized { key, expected: file.size, found }),
            None => Err(StoreError::NoFile { key }),
        }
    }

    /// Deletes those files of a job that nobody needs any more: see [`JobSpec::is_temporary`](jobs::JobSpec). The record stays.
    ///
    /// A worker that was killed before it stored a record may have left files that no record names: they are deleted as well.
    ///
    /// # Errors
    /// The store cannot be listed, or a file cannot be deleted.
    pub async fn remove_temporary_files(&self, job: &JobId, spec: &JobSpec) -> Result<(), StoreError> {
        let is_temporary = |key: &Key| key.as_str().rsplit('/').next().is_some_and(|name| spec.is_temporary(name));
        let mut listing = self.backend.list(Some(&artefact_folder(job)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            for key in keys.iter().filter(|key| is_temporary(key)) {
                self.backend.delete(key).await?;
            }
        }
        Ok(())
    }

    /// The folder of the store that holds the files of an artefact, for people.
    pub fn artefact_place(&self, job: &JobId, artefact: &Artefact) -> String {
        format!("{}/{}/{job}/{}", self.place(), folder_name(), artefact.digest().short())
    }

    /// Deletes the artefact of `job`, so that it can be made again, and returns how many objects that were. The record
    /// is deleted first: an interrupted removal leaves files that are never read.
    ///
    /// # Errors
    /// The store cannot be listed, or an object cannot be deleted.
    pub async fn remove_artefact(&self, job: &JobId) -> Result<usize, StoreError> {
        let record = artefact_key(job)?;
        self.backend.delete(&record).await?;
        let mut removed = 0;
        let mut listing = self.backend.list(Some(&artefact_folder(job)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            for key in keys {
                self.backend.delete(&key).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn folder_name() -> &'static str {
    <ArtefactResult as records::Record>::FOLDER
}

fn file_key(job: &JobId, artefact: &Artefact, file: &ArtefactFile) -> Result<Key, StoreError> {
    Ok(Key::new(format!("{}/{}/{}", artefact_folder(job)?, artefact.digest().short(), file.name))?)
}

pub(super) async fn digest_of(path: &Path) -> Result<Digest, StoreError> {
    let file = path.to_owned();
    let digest = spawn_blocking(move || Digest::of_reader(fs::File::open(file)?)).await;
    let digest = digest.unwrap_or_else(|error| Err(io::Error::other(error)));
    digest.map_err(|source| StoreError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
