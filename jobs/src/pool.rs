use crate::{Digest, version::known};
use serde::{Deserialize, Serialize};

/// What the workers of a pool need to know of a sweep whose jobs wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolEntry {
    /// [`VERSION`](Self::VERSION) when it was written.
    #[serde(deserialize_with = "known::<_, 1, { PoolEntry::VERSION }>")]
    pub version: u32,
    /// The name of the sweep.
    pub sweep: String,
    /// The content of the base model that its jobs begin with: a worker that holds it prefers them.
    pub base: Digest,
    /// Jobs of the sweep with the highest priority go first.
    pub priority: i32,
    /// The most workers that take jobs of the sweep at a time; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_workers: Option<u32>,
}

impl PoolEntry {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;

    /// A sweep like most: of no special priority, for all workers.
    pub fn new(sweep: impl Into<String>, base: Digest) -> Self {
        Self { version: Self::VERSION, sweep: sweep.into(), base, priority: 0, max_workers: None }
    }
}
