use super::recipe_age::Age;
use crate::{Change, Digest, Manifest, Sweep, version::known};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A manifest as it is stored. Version 1 knows no revisions, and is read as a first revision.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredManifest {
    #[serde(deserialize_with = "known::<_, 1, { Manifest::VERSION }>")]
    version: u32,
    #[serde(default = "first_revision")]
    revision: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
    sweep: Sweep,
    digests: BTreeMap<String, Digest>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    commits: BTreeMap<String, String>,
    versions: BTreeMap<String, String>,
}

/// The revision of a document that names none.
pub(crate) fn first_revision() -> u32 {
    1
}

impl From<Manifest> for StoredManifest {
    fn from(manifest: Manifest) -> Self {
        let Manifest { revision, begun_ms, changes, sweep, digests, commits, versions } = manifest;
        Self { version: version_of(&sweep), revision, begun_ms, changes, sweep, digests, commits, versions }
    }
}

/// The oldest version that can hold the sweep.
fn version_of(sweep: &Sweep) -> u32 {
    if sweep.reference.is_some() || sweep.has_axes() {
        return Manifest::VERSION;
    }
    if sweep.is_newer() { 3 } else { 2 }
}

impl From<StoredManifest> for Manifest {
    fn from(stored: StoredManifest) -> Self {
        let StoredManifest { version: _, revision, begun_ms, changes, sweep, digests, commits, versions } = stored;
        Self { revision, begun_ms, changes, sweep, digests, commits, versions }
    }
}
