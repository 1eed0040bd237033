use super::{
    CONCURRENT_READS, Store, concurrently,
    documents::{MANIFEST, SWEEPS, document_key, encode_pretty, sweep_folder, sweep_of_manifest},
};
use crate::{Key, Put, StoreError};
use serde::{Serialize, de::DeserializeOwned};

const REVISIONS: &str = "revisions";

/// A revision of a sweep, by the sweep's name and its number: 1 for what it was when it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision<'a> {
    /// The sweep.
    pub sweep: &'a str,
    /// The number, from 1.
    pub number: u32,
}

impl<'a> Revision<'a> {
    /// The revision `number` of `sweep`.
    pub fn of(sweep: &'a str, number: u32) -> Self {
        Self { sweep, number }
    }

    /// The first revision of `sweep`.
    pub fn first(sweep: &'a str) -> Self {
        Self::of(sweep, 1)
    }

    /// The key of what belongs to this revision alone: the first has it beside the sweep's other documents.
    pub(super) fn key(self, name: &str) -> Result<Key, StoreError> {
        match self.number {
            0 | 1 => document_key(self.sweep, name),
            number => document_key(self.sweep, &format!("{REVISIONS}/{number}/{name}")),
        }
    }

    fn manifest(self) -> Result<Key, StoreError> {
        match self.number {
            0 | 1 => document_key(self.sweep, MANIFEST),
            number => document_key(self.sweep, &format!("{REVISIONS}/{number}.json")),
        }
    }
}

/// The manifests of a sweep, one for each revision.
///
/// A manifest is written once, under a condition, and never replaced: of two processes that make the same revision at
/// the same time, one writes it and the other one reads it. No object names the newest revision, because it could not
/// be replaced conditionally: the highest number is the newest.
impl Store {
    /// Keeps the manifest of a revision, unless there is one.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the manifest has no JSON form or cannot be written.
    pub async fn put_revision<T: Serialize + Sync>(
        &self,
        revision: Revision<'_>,
        manifest: &T,
    ) -> Result<Put, StoreError> {
        let key = revision.manifest()?;
        let content = encode_pretty(&key, manifest)?;
        Ok(self.backend.put_if_absent(&key, content).await?)
    }

    /// The manifest of a revision; `None` if there is no such revision.
    ///
    /// # Errors
    /// The manifest cannot be read, is not a `T` or names another sweep.
    pub async fn revision<T: DeserializeOwned>(&self, revision: Revision<'_>) -> Result<Option<T>, StoreError> {
        self.decoded(revision.sweep, revision.manifest()?).await
    }

    /// Whether there is such a revision.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn has_revision(&self, revision: Revision<'_>) -> Result<bool, StoreError> {
        Ok(self.backend.get(&revision.manifest()?).await?.is_some())
    }

    /// The number of the newest revision of `sweep`; 0 if there is no such sweep.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be listed or read.
    pub async fn newest_revision(&self, sweep: &str) -> Result<u32, StoreError> {
        let folder = document_key(sweep, REVISIONS)?;
        let mut newest = 0;
        let mut listing = self.backend.list(Some(&folder)).await?;
        while let Some(keys) = listing.next_page().await? {
            newest = keys.iter().filter_map(number_of).fold(newest, u32::max);
        }
        match newest {
            0 => Ok(u32::from(self.has_revision(Revision::first(sweep)).await?)),
            newest => Ok(newest),
        }
    }

    /// The manifest of the newest revision of `sweep`; `None` if there is no such sweep.
    ///
    /// # Errors
    /// The store cannot be listed; the manifest cannot be read or is not a `T`.
    pub async fn manifest<T: DeserializeOwned>(&self, sweep: &str) -> Result<Option<T>, StoreError> {
        match self.newest_revision(sweep).await? {
            0 => Ok(None),
            number => self.revision(Revision::of(sweep, number)).await,
        }
    }

    /// Deletes everything under the name of `sweep`, complete or not, except the document `spared`, and returns how
    /// many objects that were. Results and failures lie elsewhere and stay.
    ///
    /// The manifests are deleted last, the newest first: after an interrupted removal, the sweep can still be removed.
    ///
    /// # Errors
    /// The sweep's name cannot be part of a key; the store cannot be listed, or an object cannot be deleted.
    pub async fn remove_sweep(&self, sweep: &str, spared: Option<&str>) -> Result<usize, StoreError> {
        let mut listing = self.backend.list(Some(&sweep_folder(sweep)?)).await?;
        let mut documents = Vec::new();
        let mut revisions = Vec::new();
        let first = Revision::first(sweep).manifest()?;
        let spared = spared.map(|name| document_key(sweep, name)).transpose()?;
        while let Some(keys) = listing.next_page().await? {
            for key in keys.into_iter().filter(|key| Some(key) != spared.as_ref()) {
                match number_of(&key) {
                    Some(number) => revisions.push((number, key)),
                    None if key == first => revisions.push((1, key)),
                    None => documents.push(key),
                }
            }
        }
        revisions.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        let removed = documents.len() + revisions.len();
        let this = self.clone();
        let deleted = concurrently(documents, CONCURRENT_READS, move |key| {
            let this = this.clone();
            async move { this.backend.delete(&key).await }
        });
        deleted.await.into_iter().collect::<Result<Vec<()>, _>>()?;
        for (_, key) in revisions {
            self.backend.delete(&key).await?;
        }
        Ok(removed)
    }
}

impl Key {
    /// Whether the manifest of a revision of a sweep lies there.
    pub fn is_manifest(&self) -> bool {
        number_of(self).is_some() || sweep_of_manifest(self).is_some()
    }
}

/// The number of the revision whose manifest lies under `key`, if it looks like one.
fn number_of(key: &Key) -> Option<u32> {
    let (folder, name) = key.as_str().rsplit_once('/')?;
    folder.strip_prefix(SWEEPS)?.strip_suffix(REVISIONS)?.strip_suffix('/')?;
    name.strip_suffix(".json")?.parse().ok().filter(|number| *number > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Action, Problem,
        testing::{Fault, Faulty, MemoryBackend},
    };
    use serde_json::{Value, json};

    fn of(number: u32) -> Revision<'static> {
        Revision::of("s", number)
    }

    async fn with_revisions(store: &Store, newest: u32) {
        for number in 1..=newest {
            assert_eq!(store.put_revision(of(number), &json!({"was": number})).await.unwrap(), Put::Created);
        }
    }

    #[tokio::test]
    async fn the_newest_revision_is_the_sweep_and_none_is_ever_replaced() {
        let store = Store::new(MemoryBackend::new());
        assert_eq!(store.newest_revision("s").await.unwrap(), 0);
        assert_eq!(store.manifest::<Value>("s").await.unwrap(), None);
        // Ten comes after nine, though not in a listing.
        for number in 1..=11 {
            assert_eq!(store.put_revision(of(number), &json!({"was": number})).await.unwrap(), Put::Created);
            assert_eq!(store.put_revision(of(number), &json!({"was": 0})).await.unwrap(), Put::Exists);
            assert_eq!(store.newest_revision("s").await.unwrap(), number);
            assert_eq!(store.manifest::<Value>("s").await.unwrap(), Some(json!({"was": number})));
        }
        assert_eq!(store.revision::<Value>(of(3)).await.unwrap(), Some(json!({"was": 3})));
        assert_eq!(store.revision::<Value>(of(12)).await.unwrap(), None);
        assert_eq!(store.sweeps().await.unwrap(), ["s"]);
    }

    #[tokio::test]
    async fn what_is_no_manifest_is_no_revision() {
        let store = Store::new(MemoryBackend::new());
        with_revisions(&store, 2).await;
        for name in ["revisions/x.json", "revisions/7/parts/0.parquet", "revisions/9.json.bak", "parts/8.json"] {
            store.put_artefact("s", name, Vec::new()).await.unwrap();
        }
        assert_eq!(store.newest_revision("s").await.unwrap(), 2);
        assert_eq!(store.newest_revision("other").await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_removed_sweep_leaves_nothing_and_its_neighbour_everything() {
        let store = Store::new(MemoryBackend::new());
        with_revisions(&store, 2).await;
        store.put_artefact("s", "best/adapter.bin", vec![1]).await.unwrap();
        assert_eq!(store.put_manifest("s-2", &json!({})).await.unwrap(), Put::Created);
        store.put_document("s-2", "cancelled.json", &json!({})).await.unwrap();
        assert_eq!(store.artefacts("s-2", None).await.unwrap(), ["cancelled.json", "manifest.json"]);
        assert_eq!(store.remove_sweep("s-2", Some("cancelled.json")).await.unwrap(), 1);
        assert_eq!(store.artefacts("s-2", None).await.unwrap(), ["cancelled.json"]);
        assert_eq!(store.put_manifest("s-2", &json!({})).await.unwrap(), Put::Created);
        assert_eq!(store.remove_sweep("s", None).await.unwrap(), 3);
        assert_eq!((store.newest_revision("s").await.unwrap(), store.remove_sweep("s", None).await.unwrap()), (0, 0));
        assert_eq!(store.sweeps().await.unwrap(), ["s-2"]);
    }

    #[tokio::test]
    async fn a_removal_that_is_cut_short_leaves_a_sweep_that_can_be_removed() {
        // Everything but the first manifest, which goes last.
        for removed in 0..3 {
            let backend = Faulty::new(MemoryBackend::new());
            let store = Store::new(backend.clone());
            with_revisions(&store, 2).await;
            store.put_artefact("s", "summary.json", Vec::new()).await.unwrap();
            let place = ["sweeps/s/summary", "sweeps/s/revisions", "sweeps/s/manifest"][removed];
            backend.strike(1, Action::Delete, place, Fault::Fails(Problem::Unavailable));
            assert!(store.remove_sweep("s", None).await.is_err());
            assert_eq!(store.sweeps().await.unwrap(), ["s"]);
            assert_eq!(store.remove_sweep("s", None).await.unwrap(), 3 - removed);
            assert!(store.sweeps().await.unwrap().is_empty());
        }
    }
}
