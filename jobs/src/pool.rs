use crate::{Digest, stored::StoredPoolEntry};
use serde::{Deserialize, Serialize};

/// What the workers of a pool need to know about a sweep whose jobs wait for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "StoredPoolEntry", from = "StoredPoolEntry")]
pub struct PoolEntry {
    /// The name of the sweep.
    pub sweep: String,
    /// The content of the base model that its jobs begin with: a worker that holds it prefers them.
    pub base: Digest,
    /// Jobs of the sweep with the highest priority go first.
    pub priority: i32,
    /// The most workers that take jobs of the sweep at a time; `None` for all.
    pub max_workers: Option<u32>,
    /// Whether its jobs run a command of the sweep, which not every worker allows.
    pub runs_commands: bool,
}

impl PoolEntry {
    /// The newest version. Sweeps that run no commands are written as version 1.
    pub const VERSION: u32 = 2;

    /// The entry of a sweep with the default priority, for all workers.
    pub fn new(sweep: impl Into<String>, base: Digest) -> Self {
        Self { sweep: sweep.into(), base, priority: 0, max_workers: None, runs_commands: false }
    }
}
