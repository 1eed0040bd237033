use crate::Remote;
use std::{path::PathBuf, sync::Arc};

/// Where inputs may come from.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Use what is in the hub's cache, and never the network; set where `HF_HUB_OFFLINE` is 1.
    pub is_offline: bool,
    /// The hub's cache, if not the one that the environment names.
    pub cache: Option<PathBuf>,
    /// The hub's address, if not the one that the environment names.
    pub endpoint: Option<String>,
    /// The most attempts at a request to the hub, if not the client's default.
    pub attempts: Option<usize>,
    /// Where `s3://` inputs come from; without it they are refused.
    pub objects: Option<ObjectSettings>,
    /// Where artefacts of other jobs come from, through a cache as objects do; without it they are refused.
    pub artefacts: Option<ObjectSettings>,
    /// The folders below which paths may be read, or all of this machine. What was fetched lies in caches, and is read
    /// wherever they are, unless a link in them leads elsewhere.
    pub roots: Option<Vec<PathBuf>>,
    /// The buckets that inputs may come from, each as `bucket` or `bucket/prefix`, or all.
    pub buckets: Option<Vec<String>>,
    /// The hub's repositories that inputs may come from, each as `owner/name`, or `owner` for all of that owner's, or
    /// all.
    pub repositories: Option<Vec<String>>,
}

/// How objects in buckets become files.
#[derive(Debug, Clone)]
pub struct ObjectSettings {
    /// What lists and fetches them.
    pub remote: Arc<dyn Remote>,
    /// The folder in which they are kept, for any number of processes at a time. It is made when it is needed.
    pub cache: PathBuf,
}
