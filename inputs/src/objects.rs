//! Inputs in buckets: what is listed there, and what of it lies in the cache.

mod fetch;
mod listed;
mod names;
#[cfg(test)]
mod tests;

use crate::{
    InputError, ObjectSettings, Remote,
    cache::{Cache, Content, is_below},
    digest::FileDigests,
    folder::Entries,
    located::{FetchPolicy, FoundFolder},
    remote::ARTEFACTS,
};
use jobs::{Digest, S3Ref};
use names::named;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::BackendError;

/// The number of times that an input is listed and fetched while it is being replaced.
const ATTEMPTS: usize = 3;

/// Buckets, and the cache of what came from them.
#[derive(Debug)]
pub(crate) struct Objects {
    remote: Arc<dyn Remote>,
    folder: PathBuf,
    cache: Cache,
}

impl Objects {
    pub(crate) fn new(settings: ObjectSettings, digests: Arc<FileDigests>) -> Self {
        let ObjectSettings { remote, cache } = settings;
        Self { remote, cache: Cache::new(&cache, digests), folder: cache }
    }

    /// The folder of fetched objects.
    pub(crate) fn cache_folder(&self) -> &Path {
        &self.folder
    }

    /// The folder `s3`, with the files that `select` picks out of it.
    pub(crate) fn folder<F>(
        &self,
        s3: &S3Ref,
        policy: FetchPolicy,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<FoundFolder<F>, InputError> {
        if let FetchPolicy::CacheOnly(expected) = policy {
            let Content { files, beside, .. } = self.content(expected).ok_or_else(|| missing(s3))?;
            let there: Vec<_> = files.iter().map(|(name, _)| name.clone()).chain(beside).collect();
            let picked = select(&Entries::from(there))?;
            return Ok(FoundFolder {
                files: picked,
                root: self.cache.view(&files)?,
                commit: None,
                cut_off_download: None,
            });
        }
        retry_while_replaced(|| {
            let listed = self.remote.list(&s3.bucket, &s3.key).map_err(|source| refused(s3, source))?;
            let named = named(&s3.key, listed);
            if named.is_nothing() {
                return Err(missing(s3));
            }
            let files = select(&named.listing())?;
            let root = self.fetched(s3, &names(&files), &named.files)?;
            Ok(FoundFolder { root, files, commit: None, cut_off_download: None })
        })
    }

    /// The object `s3` as a file.
    pub(crate) fn file(&self, s3: &S3Ref, policy: FetchPolicy) -> Result<PathBuf, InputError> {
        if let FetchPolicy::CacheOnly(expected) = policy {
            let files = self.content(expected).ok_or_else(|| missing(s3))?.files;
            let [(name, _)] = files.as_slice() else { return Err(missing(s3)) };
            return Ok(self.cache.view(&files)?.join(name));
        }
        // The whole bucket is no file. A reference that did not come through the parser may end in dots.
        let name = s3.key.rsplit('/').next().filter(|name| is_below(name)).ok_or_else(|| missing(s3))?;
        retry_while_replaced(|| {
            let object = self.remote.find(&s3.bucket, &s3.key).map_err(|source| refused(s3, source))?;
            let listed = BTreeMap::from([(name.to_owned(), object.ok_or_else(|| missing(s3))?)]);
            Ok(self.fetched(s3, &[name.to_owned()], &listed)?.join(name))
        })
    }

    /// Whether all that was last found under `s3` is in the cache.
    pub(crate) fn is_cached(&self, s3: &S3Ref) -> bool {
        self.cache.place(&s3.to_string()).is_some_and(|blobs| blobs.iter().all(|blob| self.cache.has_blob(*blob)))
    }

    /// The composition of the input with this digest, if the cache knows it.
    pub(crate) fn content(&self, digest: Digest) -> Option<Content> {
        self.cache.content(digest)
    }

    /// Stores the composition of an input, so that a caller with its digest needs no bucket.
    pub(crate) fn keep(&self, digest: Digest, content: &Content) -> Result<(), InputError> {
        if self.cache.content(digest).as_ref() == Some(content) {
            return Ok(());
        }
        self.cache.keep_content(digest, content)
    }
}

/// Lists and fetches again if an object is replaced between listing and fetch.
fn retry_while_replaced<T>(find: impl Fn() -> Result<T, InputError>) -> Result<T, InputError> {
    for _ in 1..ATTEMPTS {
        match find() {
            Err(error @ (InputError::Replaced { .. } | InputError::CutOff { .. })) => {
                tracing::warn!(%error, "listing it again");
            }
            found => return found,
        }
    }
    find()
}

/// A place among objects as people know it.
fn shown(s3: &S3Ref) -> String {
    if s3.bucket == ARTEFACTS { format!("artefact of job {}", s3.key) } else { s3.to_string() }
}

fn missing(s3: &S3Ref) -> InputError {
    InputError::NoObjects { reference: shown(s3) }
}

fn refused(s3: &S3Ref, source: BackendError) -> InputError {
    InputError::Bucket { reference: shown(s3), source }
}
