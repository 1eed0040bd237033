use super::{FetchError, Hub, Snapshot};
use crate::{
    HubFailure, InputError, NotCached,
    cache::is_below,
    folder::{is_hidden, list},
    listing::ListedFolder,
};
use hf_hub::{HFError, RepoType, RepoTypeDataset, RepoTypeModel, repository::RepoTreeEntry};
use jobs::{HubKind, HubRef, InputRef};
use std::{collections::BTreeMap, ops::Range};

impl Hub {
    /// What lies in the folder `folder` of a repository, and what of it the cache has. Nothing is fetched but names
    /// and sizes.
    ///
    /// Without the network it is what the cache has.
    pub(crate) fn list_folder(&self, hub: &HubRef, folder: &str) -> Result<ListedFolder, InputError> {
        let cached = || self.cached(hub).map(|snapshot| of_cache(hub, snapshot, folder));
        let reference = hub.to_string();
        let cache = self.cache();
        if self.settings.is_offline {
            return cached().unwrap_or_else(|absent| Err(InputError::Offline { reference, cache, absent }));
        }
        match self.ask_for_folder(hub, folder) {
            Ok(shelf) => Ok(shelf),
            Err(FetchError::Input(error)) => Err(error),
            Err(FetchError::Hub(source)) if source.is_out_of_reach => {
                cached().unwrap_or_else(|absent| Err(InputError::Unreachable { reference, cache, absent, source }))
            }
            Err(FetchError::Hub(source)) => Err(InputError::Hub { reference, source }),
        }
    }

    /// The bytes `range` of a file that a [listed folder](Self::list_folder) names.
    pub(crate) fn part(&self, hub: &HubRef, name: &str, range: &Range<u64>) -> Result<Vec<u8>, InputError> {
        self.read_part(hub, name, range).map_err(|error| {
            let reference = hub.to_string();
            let source = HubFailure::from(error);
            if source.is_out_of_reach {
                let absent = NotCached::Files(format!("`{name}` is missing"));
                InputError::Unreachable { reference, cache: self.cache(), absent, source }
            } else {
                InputError::Hub { reference, source }
            }
        })
    }

    fn ask_for_folder(&self, hub: &HubRef, folder: &str) -> Result<ListedFolder, FetchError> {
        let (owner, name) = hub.repository.split_once('/').unwrap_or(("", &hub.repository));
        let revision = hub.revision.clone();
        let (commit, sizes) = match hub.kind {
            HubKind::Model => {
                let info =
                    self.client()?.repository(RepoTypeModel, owner, name).info().maybe_revision(revision).send()?;
                (info.sha.clone(), self.sizes(RepoTypeModel, hub, info.sha, folder)?)
            }
            HubKind::Dataset => {
                let info =
                    self.client()?.repository(RepoTypeDataset, owner, name).info().maybe_revision(revision).send()?;
                (info.sha.clone(), self.sizes(RepoTypeDataset, hub, info.sha, folder)?)
            }
        };
        let at = HubRef { revision: commit.or_else(|| hub.revision.clone()), ..hub.clone() };
        let root = self.cached(&at).ok().map(|snapshot| snapshot.root.join(folder));
        Ok(ListedFolder::Hub { at, folder: folder.to_owned(), sizes, root })
    }

    fn sizes<T: RepoType>(
        &self,
        kind: T,
        hub: &HubRef,
        revision: Option<String>,
        folder: &str,
    ) -> Result<BTreeMap<String, u64>, HFError> {
        let (owner, name) = hub.repository.split_once('/').unwrap_or(("", &hub.repository));
        let repository = self.client()?.repository(kind, owner, name);
        let entries = repository.list_tree().maybe_revision(revision).recursive(true).send()?;
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = entries.into_iter().filter_map(|entry| match entry {
            RepoTreeEntry::File { path, size, .. } => Some((path.strip_prefix(&prefix)?.to_owned(), size)),
            RepoTreeEntry::Directory { .. } => None,
        });
        Ok(below.filter(|(name, _)| is_below(name) && !is_hidden(name)).collect())
    }
}

fn of_cache(hub: &HubRef, snapshot: Snapshot, folder: &str) -> Result<ListedFolder, InputError> {
    let root = snapshot.root.join(folder);
    if root.is_file() {
        return Err(InputError::NotA { reference: hub.to_string(), expected: "folder" });
    }
    let there = list(&root).map_err(|source| InputError::unreadable(&InputRef::Hub(hub.clone()), &root, source))?;
    Ok(ListedFolder::Folder { root, there })
}
