use super::{Store, records};
use crate::{Dated, Key, Put, Revision, StoreError};
use jobs::Cancellation;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::{collections::BTreeSet, path::Path};

pub(super) const SWEEPS: &str = "sweeps";
pub(super) const MANIFEST: &str = "manifest.json";

impl Store {
    /// Keeps the manifest of the first revision of `sweep`, unless there is one.
    ///
    /// # Errors
    /// As [`put_revision`](Self::put_revision).
    pub async fn put_manifest<T: Serialize + Sync>(&self, sweep: &str, manifest: &T) -> Result<Put, StoreError> {
        self.put_revision(Revision::first(sweep), manifest).await
    }

    /// The names of all sweeps that have a manifest, sorted.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub async fn sweeps(&self) -> Result<Vec<String>, StoreError> {
        let mut sweeps = BTreeSet::new();
        let mut listing = self.backend.list(Some(&Key::new(SWEEPS)?)).await?;
        while let Some(keys) = listing.next_page().await? {
            sweeps.extend(keys.iter().filter_map(sweep_of_manifest));
        }
        Ok(sweeps.into_iter().collect())
    }

    /// Keeps a document of `sweep` as JSON, such as `summary.json`, in place of the one that is there.
    ///
    /// # Errors
    /// A name cannot be part of a key; the document has no JSON form or cannot be written.
    pub async fn put_document<T: Serialize + Sync>(
        &self,
        sweep: &str,
        name: &str,
        document: &T,
    ) -> Result<(), StoreError> {
        let key = document_key(sweep, name)?;
        let content = encode_pretty(&key, document)?;
        Ok(self.backend.put(&key, content).await?)
    }

    /// A document of `sweep`; `None` if there is none of that name.
    ///
    /// A document that names its sweep, as `sweep` or `sweep.name`, names the folder that it lies in.
    ///
    /// # Errors
    /// The document cannot be read, is not a `T` or names another sweep.
    pub async fn document<T: DeserializeOwned>(&self, sweep: &str, name: &str) -> Result<Option<T>, StoreError> {
        self.decoded(sweep, document_key(sweep, name)?).await
    }

    /// The same, and when it was written by the store's clock.
    ///
    /// # Errors
    /// As [`document`](Self::document).
    pub async fn dated_document<T: DeserializeOwned>(
        &self,
        sweep: &str,
        name: &str,
    ) -> Result<Option<Dated<T>>, StoreError> {
        let key = document_key(sweep, name)?;
        let Some(dated) = self.backend.get_dated(&key).await? else { return Ok(None) };
        dated.try_map(|content| checked(&key, sweep, &content)).map(Some)
    }

    /// What lies under `key` as JSON, which names no other sweep than `sweep`.
    pub(super) async fn decoded<T: DeserializeOwned>(&self, sweep: &str, key: Key) -> Result<Option<T>, StoreError> {
        let content = self.backend.get(&key).await?;
        content.map(|content| checked(&key, sweep, &content)).transpose()
    }

    /// The mark that cancels `sweep`, or earlier revisions of it; `None` if there is none.
    ///
    /// A mark that cannot be read counts as one that cancels all revisions: it exists because the sweep was cancelled.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be read.
    pub async fn cancellation(&self, sweep: &str) -> Result<Option<Cancellation>, StoreError> {
        match self.document(sweep, Cancellation::DOCUMENT).await {
            Err(error) if error.is_of_one_object() => {
                tracing::warn!(sweep, %error, "the sweep counts as cancelled; `bowline cancel --undo` takes that back");
                Ok(Some(Cancellation::new(u32::MAX, false, 0)))
            }
            cancellation => cancellation,
        }
    }

    /// Deletes a document of `sweep`. It is no error if there is none.
    ///
    /// # Errors
    /// A name cannot be part of a key; the document cannot be deleted.
    pub async fn delete_document(&self, sweep: &str, name: &str) -> Result<(), StoreError> {
        Ok(self.backend.delete(&document_key(sweep, name)?).await?)
    }

    /// Keeps a file of `sweep` as it is, such as `best/adapter_model.safetensors`, in place of the one that is there.
    ///
    /// # Errors
    /// A name cannot be part of a key; the file cannot be written.
    pub async fn put_artefact(&self, sweep: &str, name: &str, content: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.backend.put(&document_key(sweep, name)?, content).await?)
    }

    /// Stores the file `from` as a file of `sweep` and replaces an existing one; it is never in memory as a whole.
    ///
    /// # Errors
    /// A name cannot be part of a key; the file cannot be read or written.
    pub async fn put_sweep_file(&self, sweep: &str, name: &str, from: &Path) -> Result<(), StoreError> {
        Ok(self.backend.put_file(&document_key(sweep, name)?, from).await?)
    }

    /// The names of the documents and files of `sweep`, or of those in `folder` alone, such as
    /// `best/adapter_config.json` in `best`; sorted.
    ///
    /// # Errors
    /// A name cannot be part of a key; the store cannot be listed.
    pub async fn artefacts(&self, sweep: &str, folder: Option<&str>) -> Result<Vec<String>, StoreError> {
        let of_sweep = format!("{SWEEPS}/{sweep}/");
        let place = match folder {
            Some(folder) => document_key(sweep, folder)?,
            None => sweep_folder(sweep)?,
        };
        let mut names = Vec::new();
        let mut listing = self.backend.list(Some(&place)).await?;
        while let Some(keys) = listing.next_page().await? {
            names.extend(keys.iter().filter_map(|key| key.as_str().strip_prefix(&of_sweep)).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// A file of `sweep`; `None` if there is none of that name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn artefact(&self, sweep: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.backend.get(&document_key(sweep, name)?).await?)
    }
}

/// A document of `sweep`, which names no other.
fn checked<T: DeserializeOwned>(key: &Key, sweep: &str, content: &[u8]) -> Result<T, StoreError> {
    let document = records::decode(key, content)?;
    check_name(key, sweep, content)?;
    Ok(document)
}

pub(super) fn document_key(sweep: &str, name: &str) -> Result<Key, StoreError> {
    Ok(Key::new(format!("{}/{name}", sweep_folder(sweep)?))?)
}

pub(super) fn sweep_folder(sweep: &str) -> Result<Key, StoreError> {
    if sweep.contains('/') {
        // Keeps `a/b` from being both a sweep and a document of the sweep `a`.
        let problem = "the name of a sweep holds a slash";
        return Err(StoreError::Key(crate::KeyError { text: sweep.to_owned(), problem }));
    }
    Ok(Key::new(format!("{SWEEPS}/{sweep}"))?)
}

/// Callers take names out of documents. No name may lead to another folder.
fn check_name(key: &Key, sweep: &str, content: &[u8]) -> Result<(), StoreError> {
    /// Any document, as far as it names its sweep.
    #[derive(Deserialize)]
    struct Document {
        #[serde(default)]
        sweep: Option<Named>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Named {
        Name(String),
        Sweep { name: String },
        Other(IgnoredAny),
    }
    let found = match serde_json::from_slice(content) {
        Ok(Document { sweep: Some(Named::Name(name) | Named::Sweep { name }) }) => name,
        Ok(Document { sweep: Some(Named::Other(_)) | None }) | Err(_) => return Ok(()),
    };
    if found == sweep { Ok(()) } else { Err(StoreError::OtherName { key: key.clone(), found }) }
}

pub(super) fn sweep_of_manifest(key: &Key) -> Option<String> {
    let rest = key.as_str().strip_prefix(SWEEPS)?.strip_prefix('/')?;
    let (sweep, name) = rest.split_once('/')?;
    (name == MANIFEST).then(|| sweep.to_owned())
}

/// Documents are few and read by people.
pub(super) fn encode_pretty<T: Serialize>(key: &Key, document: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(document).map_err(|source| StoreError::Encode { key: key.clone(), source })
}
