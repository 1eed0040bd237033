//! The sources of inputs, and the rules for what may be read.

use crate::{
    InputError, Settings,
    allowed::Allowed,
    digest::FileDigests,
    hub::Hub,
    objects::Objects,
    remote::{ARTEFACTS, place_of},
    roots::Roots,
};
use jobs::{InputRef, S3Ref};
use std::{path::PathBuf, sync::Arc};

/// Locates inputs on this machine, and fetches them from the hub and from buckets if needed.
///
/// The digests of files are cached while inode, size and both times of a file stay the same.
#[derive(Debug)]
pub struct Inputs {
    pub(crate) hub: Hub,
    pub(crate) objects: Option<Objects>,
    pub(crate) artefacts: Option<Objects>,
    pub(crate) roots: Roots,
    pub(crate) allowed: Allowed,
    pub(crate) digests: Arc<FileDigests>,
}

impl Inputs {
    /// Uses what `settings` say. Nothing is opened before it is needed.
    pub fn new(mut settings: Settings) -> Self {
        let digests = Arc::new(FileDigests::default());
        let objects = settings.objects.take();
        let artefacts = settings.artefacts.take();
        Self {
            objects: objects.map(|objects| Objects::new(objects, Arc::clone(&digests))),
            artefacts: artefacts.map(|artefacts| Objects::new(artefacts, Arc::clone(&digests))),
            roots: Roots::new(settings.roots.take()),
            allowed: Allowed { buckets: settings.buckets.take(), repositories: settings.repositories.take() },
            hub: Hub::new(settings),
            digests,
        }
    }

    /// Whether `reference` exists on this machine, so that listing it needs no network.
    ///
    /// The cache of a hub repository or a bucket may still be incomplete or out of date.
    pub fn is_local(&self, reference: &InputRef) -> bool {
        match reference {
            InputRef::Path(path) => path.exists(),
            InputRef::Hub(hub) => self.hub.is_cached(hub),
            InputRef::S3(s3) => self.objects.as_ref().is_some_and(|objects| objects.is_cached(s3)),
            InputRef::Artefact(job) => {
                self.artefacts.as_ref().is_some_and(|artefacts| artefacts.is_cached(&place_of(job)))
            }
        }
    }

    /// Whether the hub must not be contacted, so that only its cache is available.
    pub fn is_offline(&self) -> bool {
        self.hub.is_offline()
    }

    pub(crate) fn objects(&self, s3: &S3Ref) -> Result<&Objects, InputError> {
        if s3.bucket == ARTEFACTS {
            return self.artefacts.as_ref().ok_or_else(|| InputError::NoArtefacts { job: s3.key.clone() });
        }
        self.objects.as_ref().ok_or_else(|| InputError::NoBuckets { reference: s3.to_string() })
    }

    /// Fails if a path is neither below a root nor, for a fetched input, in its cache.
    pub(crate) fn check_roots(
        &self,
        reference: &InputRef,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<(), InputError> {
        let cache = match reference {
            InputRef::Path(_) => None,
            InputRef::Hub(_) => Some(self.hub.cache()),
            InputRef::S3(_) => self.objects.as_ref().map(|objects| objects.cache_folder().to_owned()),
            InputRef::Artefact(_) => self.artefacts.as_ref().map(|objects| objects.cache_folder().to_owned()),
        };
        self.roots.check(reference, cache.as_deref(), paths)
    }
}
