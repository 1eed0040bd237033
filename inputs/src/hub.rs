mod cache;
#[cfg(test)]
mod tests;

use crate::{
    HubFailure, InputError, Settings,
    folder::{file_names, is_hidden},
    resolve::{Folder, Reach, unreadable},
};
use cache::Snapshot;
use hf_hub::{HFClient, HFClientSync, HFError, RepoType, repository::RepoTreeEntry};
use jobs::{HubKind, HubRef, InputRef};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The Hugging Face hub and its cache on this machine.
pub(crate) struct Hub {
    settings: Settings,
    client: OnceLock<HFClientSync>,
}

/// The client holds the user's token, so none of it is shown.
impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Hub {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, client: OnceLock::new() }
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
        reach: Reach,
        select: &dyn Fn(&[String]) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<Folder<F>, InputError> {
        let cached = || self.cached(hub).map(|snapshot| located(hub, snapshot, folder, select));
        let absent = || (hub.to_string(), self.cache());
        if self.settings.is_offline || reach != Reach::Anywhere {
            return cached().and_then(Result::ok).ok_or_else(|| {
                let (reference, cache) = absent();
                InputError::Offline { reference, cache }
            });
        }
        let wanted = |there: &[String]| Ok(names(&select(there)?));
        match self.fetch(hub, folder, &wanted) {
            Ok(snapshot) => located(hub, snapshot, folder, select),
            Err(Fetch::Input(error)) => Err(error),
            Err(Fetch::Hub(source)) if source.is_out_of_reach => match cached() {
                Some(Ok(found)) => {
                    tracing::warn!(reference = %hub, cause = %source, "the hub is out of reach, using its cache");
                    Ok(found)
                }
                _ => {
                    let (reference, cache) = absent();
                    Err(InputError::Unreachable { reference, cache, source })
                }
            },
            Err(Fetch::Hub(source)) => Err(InputError::Hub { reference: hub.to_string(), source }),
        }
    }

    pub(crate) fn is_cached(&self, hub: &HubRef) -> bool {
        let path = hub.path.as_deref().unwrap_or("");
        self.cached(hub).is_some_and(|snapshot| snapshot.root.join(path).exists())
    }

    /// The folder of what was fetched.
    pub(crate) fn cache(&self) -> PathBuf {
        self.settings.cache.clone().unwrap_or_else(hf_hub::resolve_cache_dir)
    }

    fn cached(&self, hub: &HubRef) -> Option<Snapshot> {
        Snapshot::cached(&self.cache(), hub)
    }

    fn fetch(&self, hub: &HubRef, folder: &str, wanted: Wanted<'_>) -> Result<Snapshot, Fetch> {
        match hub.kind {
            HubKind::Model => self.fetch_of(hf_hub::RepoTypeModel, hub, folder, wanted),
            HubKind::Dataset => self.fetch_of(hf_hub::RepoTypeDataset, hub, folder, wanted),
        }
    }

    /// Asks the hub for the names of the files, then for those that are wanted and not in the cache yet.
    fn fetch_of<T: RepoType>(
        &self,
        kind: T,
        hub: &HubRef,
        folder: &str,
        wanted: Wanted<'_>,
    ) -> Result<Snapshot, Fetch> {
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
        there.sort_unstable();
        let patterns = wanted(&there)?.iter().map(|name| literal(&format!("{prefix}{name}"))).collect();
        let snapshot =
            repository.snapshot_download().maybe_revision(hub.revision.clone()).allow_patterns(patterns).send()?;
        Ok(Snapshot::at(snapshot))
    }

    fn client(&self) -> Result<&HFClientSync, HFError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = HFClient::builder().cache_dir(self.cache());
        if let Some(endpoint) = &self.settings.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(attempts) = self.settings.attempts {
            builder = builder.retry_max_attempts(attempts);
        }
        let client = builder.build_sync()?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Picks the names of wanted files out of those that are there.
type Wanted<'a> = &'a dyn Fn(&[String]) -> Result<Vec<String>, InputError>;

/// What may go wrong while fetching: the hub fails, or has not what is wanted.
enum Fetch {
    Hub(HubFailure),
    Input(InputError),
}

impl From<HFError> for Fetch {
    fn from(error: HFError) -> Self {
        Self::Hub(error.into())
    }
}

impl From<InputError> for Fetch {
    fn from(error: InputError) -> Self {
        Self::Input(error)
    }
}

fn located<F>(
    hub: &HubRef,
    snapshot: Snapshot,
    folder: &str,
    select: &dyn Fn(&[String]) -> Result<F, InputError>,
) -> Result<Folder<F>, InputError> {
    let root = if folder.is_empty() { snapshot.root } else { snapshot.root.join(folder) };
    let there = names_below(hub, &root)?;
    Ok(Folder { files: select(&there)?, root, commit: snapshot.commit })
}

fn names_below(hub: &HubRef, root: &Path) -> Result<Vec<String>, InputError> {
    file_names(root).map_err(|source| unreadable(&InputRef::Hub(hub.clone()), root, source))
}

/// A glob that matches `name` and nothing else.
fn literal(name: &str) -> String {
    let escape = |c: char| match c {
        '*' | '?' | '[' | ']' | '{' | '}' => format!("[{c}]"),
        '\\' => "\\\\".to_owned(),
        _ => c.to_string(),
    };
    name.chars().map(escape).collect()
}
