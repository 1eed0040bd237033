use crate::NotCached;
use jobs::{HubKind, HubRef};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The files of one commit of a repository in the hub's cache, as far as they were fetched.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) root: PathBuf,
    pub(super) commit: Option<String>,
}

impl Snapshot {
    /// The snapshot in the folder `root`, which is named after its commit.
    pub(super) fn at(root: PathBuf) -> Self {
        let name = root.file_name().and_then(|name| name.to_str());
        let commit = name.filter(|name| is_commit(name)).map(str::to_owned);
        Self { root, commit }
    }

    /// What `cache` has of a repository at the revision of `hub`, without the network.
    pub(super) fn cached(cache: &Path, hub: &HubRef) -> Result<Self, NotCached> {
        let repository = repository(cache, hub);
        if !repository.is_dir() {
            return Err(NotCached::Repository);
        }
        let revision = hub.revision.as_deref().unwrap_or("main");
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            // The client keeps the commit that a branch or tag meant at the last download in `refs/`.
            let named = fs::read_to_string(repository.join("refs").join(revision)).ok();
            let named = named.map(|text| text.trim().to_owned()).filter(|commit| is_commit(commit));
            let unknown = || NotCached::Revision { revision: revision.to_owned(), commits: commits(&repository) };
            named.ok_or_else(unknown)?
        };
        let root = repository.join("snapshots").join(&commit);
        if root.is_dir() { Ok(Self::at(root)) } else { Err(NotCached::Commit { commit }) }
    }
}

/// The remains of an interrupted download of the repository.
pub(super) fn cut_off_download(cache: &Path, hub: &HubRef) -> Option<PathBuf> {
    let blobs = fs::read_dir(repository(cache, hub).join("blobs")).ok()?;
    let mut left: Vec<PathBuf> = blobs.flatten().map(|entry| entry.path()).collect();
    left.retain(|path| path.extension().is_some_and(|extension| extension == "incomplete"));
    left.into_iter().min()
}

fn repository(cache: &Path, hub: &HubRef) -> PathBuf {
    let kind = match hub.kind {
        HubKind::Model => "models",
        HubKind::Dataset => "datasets",
    };
    cache.join(format!("{kind}--{}", hub.repository.replace('/', "--")))
}

/// The commits of a repository of which files are there.
fn commits(repository: &Path) -> Vec<String> {
    let snapshots = fs::read_dir(repository.join("snapshots")).into_iter().flatten().flatten();
    let mut commits: Vec<String> = snapshots.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    commits.retain(|name| is_commit(name));
    commits.sort_unstable();
    commits
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
