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

    /// What `cache` has of a repository at the revision of `hub`, without asking anyone.
    pub(super) fn cached(cache: &Path, hub: &HubRef) -> Option<Self> {
        let kind = match hub.kind {
            HubKind::Model => "models",
            HubKind::Dataset => "datasets",
        };
        let repository = cache.join(format!("{kind}--{}", hub.repository.replace('/', "--")));
        let revision = hub.revision.as_deref().unwrap_or("main");
        let commit = if is_commit(revision) {
            revision.to_owned()
        } else {
            fs::read_to_string(repository.join("refs").join(revision)).ok()?.trim().to_owned()
        };
        let root = repository.join("snapshots").join(&commit);
        (is_commit(&commit) && root.is_dir()).then(|| Self::at(root))
    }
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
