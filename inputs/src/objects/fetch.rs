use super::Objects;
use crate::{InputError, RemoteObject};
use jobs::{Digest, S3Ref};
use std::{
    collections::BTreeMap,
    fs,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};
use tracing::Span;

/// Objects that are fetched at a time: a folder of images is many small ones.
const AT_A_TIME: usize = 8;

impl Objects {
    /// A folder in which the files `names` of `s3` lie, fetched where the cache does not have them.
    pub(super) fn fetched(
        &self,
        s3: &S3Ref,
        names: &[String],
        listed: &BTreeMap<String, RemoteObject>,
    ) -> Result<PathBuf, InputError> {
        let object = |name: &String| listed.get(name).expect("names are picked from those that are listed");
        let digests = self.fetch_all(&s3.bucket, &names.iter().map(object).collect::<Vec<_>>())?;
        self.cache.keep_place(&s3.to_string(), &digests)?;
        let files: Vec<_> = names.iter().cloned().zip(digests).collect();
        self.cache.view(&files)
    }

    /// The digests of `objects`, several fetched at a time. After a failure no more are begun.
    fn fetch_all(&self, bucket: &str, objects: &[&RemoteObject]) -> Result<Vec<Digest>, InputError> {
        let next = AtomicUsize::new(0);
        let span = Span::current();
        let fetch = || {
            let _entered = span.enter();
            let mut fetched = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(object) = objects.get(i) else { return Ok(fetched) };
                let digest = self.object(bucket, object);
                fetched.push((i, digest.inspect_err(|_| next.store(objects.len(), Ordering::Relaxed))?));
            }
        };
        let threads = AT_A_TIME.min(objects.len());
        let fetched: Result<Vec<_>, InputError> = thread::scope(|scope| {
            let running: Vec<_> = (0..threads).map(|_| scope.spawn(fetch)).collect();
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let mut fetched = fetched?.concat();
        fetched.sort_unstable_by_key(|(i, _)| *i);
        Ok(fetched.into_iter().map(|(_, digest)| digest).collect())
    }

    fn object(&self, bucket: &str, object: &RemoteObject) -> Result<Digest, InputError> {
        self.cache.object(bucket, object, |path| self.download(bucket, object, path))
    }

    /// Fetches the version of the object that was listed, and no other.
    fn download(&self, bucket: &str, object: &RemoteObject, path: &Path) -> Result<(), InputError> {
        let reference = || format!("s3://{bucket}/{}", object.key);
        tracing::info!(object = reference(), bytes = object.size, "fetching an input");
        let fetched = self.remote.fetch(bucket, &object.key, path);
        let fetched = fetched.map_err(|source| InputError::Bucket { reference: reference(), source })?;
        if !fetched.is_like(object) {
            return Err(InputError::Replaced { reference: reference() });
        }
        let found = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if found != object.size {
            return Err(InputError::CutOff { reference: reference(), expected: object.size, found });
        }
        Ok(())
    }
}
