mod cache;
mod listed;
mod part;
#[cfg(test)]
mod tests;

use crate::{
    HubFailure, InputError, NotCached, Settings,
    folder::{Entries, is_hidden, list},
    located::{FetchPolicy, FoundFolder},
};
use cache::{Snapshot, cut_off_download};
use hf_hub::{HFClient, HFClientBuilder, HFClientSync, HFError, RepoType, repository::RepoTreeEntry};
use jobs::{HubKind, HubRef, InputRef};
use part::RangeReader;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The Hugging Face hub and its cache on this machine.
pub(crate) struct Hub {
    settings: Settings,
    client: OnceLock<HFClientSync>,
    parts: RangeReader,
}

/// The client holds the user's token, so none of it is shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new(), parts: RangeReader::default() }
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.settings.is_offline
    }

    /// The folder `folder` of a repository, with the files that `select` picks out of it on this machine.
    ///
    /// Without the network, what the cache has is used; the branch or tag then means what it meant when it was last
    /// fetched.
    pub(crate) fn folder<F>(
        &self,
        hub: &HubRef,
        folder: &str,
        policy: FetchPolicy,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<FoundFolder<F>, InputError> {
        let cached = || self.cached(hub).map(|snapshot| self.in_cache(hub, snapshot, folder, select));
        if self.settings.is_offline || policy != FetchPolicy::Network {
            let found = cached().map_err(|absent| {
                let reference = hub.to_string();
                let cache = self.cache();
                InputError::Offline { reference, cache, absent }
            })?;
            return found.map_err(|error| self.partial(hub, error));
        }
        match self.fetch(hub, folder, select, &names) {
            Ok(found) => Ok(found),
            Err(FetchError::Input(error)) => Err(error),
            Err(FetchError::Hub(source)) if source.is_out_of_reach => {
                let found = cached().and_then(|found| found.map_err(|error| NotCached::Files(error.to_string())));
                match found {
                    Ok(found) => {
                        tracing::warn!(reference = %hub, cause = %source, "the hub is out of policy, using its cache");
                        Ok(found)
                    }
                    Err(absent) => {
                        let reference = hub.to_string();
                        let cache = self.cache();
                        Err(InputError::Unreachable { reference, cache, absent, source })
                    }
                }
            }
            Err(FetchError::Hub(source)) => Err(InputError::Hub { reference: hub.to_string(), source }),
        }
    }

    /// An error about files in the cache may mean that not all of them were fetched.
    pub(crate) fn partial(&self, hub: &HubRef, error: InputError) -> InputError {
        let is_for_want = matches!(
            error,
            InputError::Lacks { .. }
                | InputError::NoSplit { .. }
                | InputError::Missing { .. }
                | InputError::Holds { .. }
        );
        if !is_for_want {
            return error;
        }
        let reference = hub.to_string();
        let cache = self.cache();
        InputError::Partial { reference, cache, source: Box::new(error) }
    }

    fn in_cache<F>(
        &self,
        hub: &HubRef,
        snapshot: Snapshot,
        folder: &str,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
    ) -> Result<FoundFolder<F>, InputError> {
        let root = below(&snapshot.root, folder);
        if root.is_file() {
            return Err(InputError::NotA { reference: hub.to_string(), expected: "folder" });
        }
        let there = list(&root).map_err(|source| InputError::unreadable(&InputRef::Hub(hub.clone()), &root, source))?;
        let cut_off_download = cut_off_download(&self.cache(), hub);
        Ok(FoundFolder { files: select(&there)?, root, commit: snapshot.commit, cut_off_download })
    }

    pub(crate) fn is_cached(&self, hub: &HubRef) -> bool {
        let path = hub.path.as_deref().unwrap_or("");
        self.cached(hub).is_ok_and(|snapshot| snapshot.root.join(path).exists())
    }

    /// The remains of an interrupted download of the repository in the cache.
    pub(crate) fn cut_off_download(&self, hub: &HubRef) -> Option<PathBuf> {
        cut_off_download(&self.cache(), hub)
    }

    /// The folder of fetched files.
    pub(crate) fn cache(&self) -> PathBuf {
        self.settings.cache.clone().unwrap_or_else(hf_hub::resolve_cache_dir)
    }

    fn cached(&self, hub: &HubRef) -> Result<Snapshot, NotCached> {
        Snapshot::cached(&self.cache(), hub)
    }

    fn fetch<F>(
        &self,
        hub: &HubRef,
        folder: &str,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
        names: &dyn Fn(&F) -> Vec<String>,
    ) -> Result<FoundFolder<F>, FetchError> {
        match hub.kind {
            HubKind::Model => self.fetch_of(hf_hub::RepoTypeModel, hub, folder, select, names),
            HubKind::Dataset => self.fetch_of(hf_hub::RepoTypeDataset, hub, folder, select, names),
        }
    }

    /// Asks the hub for the names of the files, then for those that are picked and not in the cache yet. Which files
    /// are picked is decided by the names of the hub: the cache need not have the others.
    fn fetch_of<T: RepoType, F>(
        &self,
        kind: T,
        hub: &HubRef,
        folder: &str,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
        names: &dyn Fn(&F) -> Vec<String>,
    ) -> Result<FoundFolder<F>, FetchError> {
        let (owner, name) = hub.repository.split_once('/').unwrap_or(("", &hub.repository));
        let repository = self.client()?.repository(kind, owner, name);
        let entries = repository.list_tree().maybe_revision(hub.revision.clone()).recursive(true).send()?;
        let paths = entries.into_iter().filter_map(|entry| match entry {
            RepoTreeEntry::File { path, .. } => Some(path),
            RepoTreeEntry::Directory { .. } => None,
        });
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut there: Vec<_> = paths.filter_map(|path| Some(path.strip_prefix(&prefix)?.to_owned())).collect();
        there.retain(|name| !is_hidden(name));
        let files = select(&Entries::from(there))?;
        let patterns = names(&files).iter().map(|name| literal(&format!("{prefix}{name}"))).collect();
        let snapshot =
            repository.snapshot_download().maybe_revision(hub.revision.clone()).allow_patterns(patterns).send()?;
        let Snapshot { root, commit } = Snapshot::at(snapshot);
        Ok(FoundFolder { files, root: below(&root, folder), commit, cut_off_download: None })
    }

    fn client(&self) -> Result<&HFClientSync, HFError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = self.settings().build_sync()?;
        Ok(self.client.get_or_init(|| client))
    }

    /// The settings of clients.
    fn settings(&self) -> HFClientBuilder {
        let mut builder = HFClient::builder().cache_dir(self.cache());
        if let Some(endpoint) = &self.settings.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(attempts) = self.settings.attempts {
            builder = builder.retry_max_attempts(attempts);
        }
        builder
    }
}

/// Why a fetch fails: the hub fails, or it does not have the input.
enum FetchError {
    Hub(HubFailure),
    Input(InputError),
}

impl From<HFError> for FetchError {
    fn from(error: HFError) -> Self {
        Self::Hub(error.into())
    }
}

impl From<InputError> for FetchError {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

fn below(root: &Path, folder: &str) -> PathBuf {
    if folder.is_empty() { root.to_owned() } else { root.join(folder) }
}

/// A glob that matches `name` and nothing else.
fn literal(name: &str) -> String {
    // `globset::escape` leaves backslashes as they are, and the client's matcher reads them as escapes.
    globset::escape(&name.replace('\\', r"\\"))
}
