use super::{Store, records};
use crate::{Key, Put, StoreError};
use jobs::Cancellation;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use std::collections::BTreeSet;

const SWEEPS: &str = "sweeps";
const MANIFEST: &str = "manifest.json";

impl Store {
    /// Keeps the manifest of `sweep`, unless there is one: what a sweep was when it began does not change.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the manifest has no JSON form or cannot be written.
    pub async fn put_manifest<T: Serialize + Sync>(&self, sweep: &str, manifest: &T) -> Result<Put, StoreError> {
        let key = document_key(sweep, MANIFEST)?;
        let content = encode_pretty(&key, manifest)?;
        Ok(self.backend.put_if_absent(&key, content).await?)
    }

    /// The manifest of `sweep`; `None` if there is no such sweep.
    ///
    /// # Errors
    /// The manifest cannot be read or is not a `T`.
    pub async fn manifest<T: DeserializeOwned>(&self, sweep: &str) -> Result<Option<T>, StoreError> {
        self.document(sweep, MANIFEST).await
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
        let key = document_key(sweep, name)?;
        let Some(content) = self.backend.get(&key).await? else { return Ok(None) };
        let document = records::decode(&key, &content)?;
        check_name(&key, sweep, &content)?;
        Ok(Some(document))
    }

    /// The cancellation of `sweep`; `None` if it is wanted.
    ///
    /// A document that cannot be read counts as one: it is there while the sweep is not wanted.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be read.
    pub async fn cancellation(&self, sweep: &str) -> Result<Option<Cancellation>, StoreError> {
        match self.document(sweep, Cancellation::DOCUMENT).await {
            Err(error) if error.is_of_one_object() => {
                tracing::warn!(sweep, %error, "the sweep counts as cancelled; `bowline cancel --undo` takes that back");
                Ok(Some(Cancellation::new(false, 0)))
            }
            cancellation => cancellation,
        }
    }

    /// Forgets a document of `sweep`; that there is none is no error.
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

    /// A file of `sweep`; `None` if there is none of that name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn artefact(&self, sweep: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.backend.get(&document_key(sweep, name)?).await?)
    }
}

pub(super) fn document_key(sweep: &str, name: &str) -> Result<Key, StoreError> {
    if sweep.contains('/') {
        // Keeps `a/b` from being both a sweep and a document of the sweep `a`.
        let problem = "the name of a sweep holds a slash";
        return Err(StoreError::Key(crate::KeyError { text: sweep.to_owned(), problem }));
    }
    Ok(Key::new(format!("{SWEEPS}/{sweep}/{name}"))?)
}

/// Callers take names out of documents; none leads them elsewhere.
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

fn sweep_of_manifest(key: &Key) -> Option<String> {
    let rest = key.as_str().strip_prefix(SWEEPS)?.strip_prefix('/')?;
    let (sweep, name) = rest.split_once('/')?;
    (name == MANIFEST).then(|| sweep.to_owned())
}

/// Documents are few and read by people.
pub(super) fn encode_pretty<T: Serialize>(key: &Key, document: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(document).map_err(|source| StoreError::Encode { key: key.clone(), source })
}
