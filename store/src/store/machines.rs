use super::{Store, documents::encode_pretty, records};
use crate::{Key, KeyError, StoreError};
use jobs::JobId;
use serde::{Serialize, de::DeserializeOwned};

const MACHINES: &str = "machines";
const TRIALS: &str = "trials";

/// Records of machines that outlive their workers: faults of the machine, and jobs during which it was lost.
impl Store {
    /// Stores the record of the machine `name`, and replaces an existing one.
    ///
    /// # Errors
    /// The name cannot be part of a key; the document has no JSON form or cannot be written.
    pub async fn put_machine<T: Serialize + Sync>(&self, name: &str, document: &T) -> Result<(), StoreError> {
        let key = key(MACHINES, name)?;
        let content = encode_pretty(&key, document)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The record of the machine `name`; `None` if there is none.
    ///
    /// # Errors
    /// The document cannot be read or is not a `T`.
    pub async fn machine<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let key = key(MACHINES, name)?;
        let content = self.backend.get(&key).await?;
        content.map(|content| records::decode(&key, &content)).transpose()
    }

    /// Deletes the record of the machine `name`. It is no error if there is none.
    ///
    /// # Errors
    /// The name cannot be part of a key; the document cannot be deleted.
    pub async fn remove_machine(&self, name: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&key(MACHINES, name)?).await?)
    }

    /// Records that `machine` begins a job that was lost before. If the record stays, the machine was lost during the
    /// job.
    ///
    /// # Errors
    /// The name cannot be part of a key; the document has no JSON form or cannot be written.
    pub async fn put_trial<T: Serialize + Sync>(
        &self,
        job: &JobId,
        machine: &str,
        trial: &T,
    ) -> Result<(), StoreError> {
        let key = trial_key(job, machine)?;
        let content = encode_pretty(&key, trial)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// The trials of `job`, by machine. One that cannot be read is an error of its own.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn trials<T: DeserializeOwned>(
        &self,
        job: &JobId,
    ) -> Result<Vec<(String, Result<T, StoreError>)>, StoreError> {
        let mut trials = Vec::new();
        let mut listing = self.backend.list(Some(&Key::new(format!("{TRIALS}/{job}"))?)).await?;
        while let Some(keys) = listing.next_page().await? {
            for key in keys {
                let Some(machine) = name_of(&key) else { continue };
                if let Some(content) = self.backend.get(&key).await? {
                    trials.push((machine, records::decode(&key, &content)));
                }
            }
        }
        Ok(trials)
    }

    /// Deletes the trial of `job` on `machine`. It is no error if there is none.
    ///
    /// # Errors
    /// The name cannot be part of a key; the record cannot be deleted.
    pub async fn remove_trial(&self, job: &JobId, machine: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&trial_key(job, machine)?).await?)
    }
}

fn trial_key(job: &JobId, machine: &str) -> Result<Key, KeyError> {
    key(&format!("{TRIALS}/{job}"), machine)
}

fn key(folder: &str, name: &str) -> Result<Key, KeyError> {
    if name.contains('/') {
        return Err(KeyError { text: name.to_owned(), problem: "the name of a machine holds a slash" });
    }
    Key::new(format!("{folder}/{name}.json"))
}

fn name_of(key: &Key) -> Option<String> {
    let (_, name) = key.as_str().rsplit_once('/')?;
    name.strip_suffix(".json").map(str::to_owned)
}
