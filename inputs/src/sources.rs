//! The places that inputs come from, and what may be read of them.

use crate::{InputError, Settings, allowed::Allowed, digest::FileDigests, hub::Hub, objects::Objects, roots::Roots};
use jobs::{InputRef, S3Ref};
use std::{path::PathBuf, sync::Arc};

/// Finds inputs on this machine, fetching them from the hub and from buckets where that is needed.
///
/// Digests of files are kept as long as the files stay what they are: inode, size, and both times.
#[derive(Debug)]
pub struct Inputs {
    pub(crate) hub: Hub,
    pub(crate) objects: Option<Objects>,
    pub(crate) roots: Roots,
    pub(crate) allowed: Allowed,
    pub(crate) digests: Arc<FileDigests>,
}

impl Inputs {
    /// Uses what `settings` say. Nothing is opened before it is needed.
    pub fn new(mut settings: Settings) -> Self {
        let digests = Arc::new(FileDigests::default());
        let objects = settings.objects.take();
        Self {
            objects: objects.map(|objects| Objects::new(objects, Arc::clone(&digests))),
            roots: Roots::new(settings.roots.take()),
            allowed: Allowed { buckets: settings.buckets.take(), repositories: settings.repositories.take() },
            hub: Hub::new(settings),
            digests,
        }
    }

    /// Whether something lies on this machine under `reference`, so that no network is needed to look at it.
    ///
    /// Of a hub repository or a bucket parts may be missing from the cache all the same, or be out of date.
    pub fn is_local(&self, reference: &InputRef) -> bool {
        match reference {
            InputRef::Path(path) => path.exists(),
            InputRef::Hub(hub) => self.hub.is_cached(hub),
            InputRef::S3(s3) => self.objects.as_ref().is_some_and(|objects| objects.is_cached(s3)),
        }
    }

    /// Whether the hub is not to be asked, so that what its cache lacks cannot be had.
    pub fn is_offline(&self) -> bool {
        self.hub.is_offline()
    }

    pub(crate) fn objects(&self, s3: &S3Ref) -> Result<&Objects, InputError> {
        self.objects.as_ref().ok_or_else(|| InputError::NoBuckets { reference: s3.to_string() })
    }

    /// Fails if what is to be read lies neither below a root nor, if it was fetched, in the cache that it was fetched into.
    pub(crate) fn check_roots(
        &self,
        reference: &InputRef,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<(), InputError> {
        let cache = match reference {
            InputRef::Path(_) => None,
            InputRef::Hub(_) => Some(self.hub.cache()),
            InputRef::S3(_) => self.objects.as_ref().map(|objects| objects.cache_folder().to_owned()),
        };
        self.roots.check(reference, cache.as_deref(), paths)
    }
}
