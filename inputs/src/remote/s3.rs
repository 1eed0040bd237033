#[cfg(test)]
mod tests;

use super::{Remote, RemoteObject};
use std::{fmt, ops::Range, path::Path, sync::OnceLock};
use store::{Action, BackendError, Problem, S3Backend, S3Object, S3Place, S3Settings};
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
};

/// The buckets of S3, or of another server that speaks its protocol.
///
/// Nothing is opened before the first call. The requests run on threads of their own, so that callers may block: they
/// must not be async themselves.
pub struct S3Remote {
    settings: S3Settings,
    runtime: OnceLock<Runtime>,
    server: OnceCell<S3Backend>,
}

impl S3Remote {
    /// Reaches S3 as `settings` say.
    pub fn new(settings: S3Settings) -> Self {
        Self { settings, runtime: OnceLock::new(), server: OnceCell::new() }
    }

    fn wait_for<T>(&self, work: impl Future<Output = Result<T, BackendError>>) -> Result<T, BackendError> {
        self.runtime()?.block_on(work)
    }

    fn runtime(&self) -> Result<&Runtime, BackendError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let built = Builder::new_multi_thread().worker_threads(2).thread_name("inputs").enable_all().build();
        let built = built.map_err(|error| BackendError::from_io(Action::Open, "threads", error))?;
        Ok(self.runtime.get_or_init(|| built))
    }

    /// The whole of `bucket`. The first request, which checks that the bucket exists, lists `folder`: the credentials
    /// may allow only that.
    async fn bucket(&self, bucket: &str, folder: &str) -> Result<S3Backend, BackendError> {
        let wrong = |error| BackendError {
            action: Action::Open,
            object: format!("s3://{bucket}"),
            problem: Problem::Other,
            source: Some(Box::new(error)),
        };
        let whole = S3Place::new(bucket, "").map_err(wrong)?;
        let first = S3Place::new(bucket, folder).unwrap_or_else(|_| whole.clone());
        let server = self.server.get_or_try_init(|| S3Backend::open(first, &self.settings)).await?;
        Ok(server.at(whole))
    }
}

impl Remote for S3Remote {
    fn list(&self, bucket: &str, folder: &str) -> Result<Vec<RemoteObject>, BackendError> {
        let objects = self.wait_for(async { self.bucket(bucket, folder).await?.objects(folder).await })?;
        Ok(objects.into_iter().map(described).collect())
    }

    fn find(&self, bucket: &str, key: &str) -> Result<Option<RemoteObject>, BackendError> {
        let object = self.wait_for(async { self.bucket(bucket, folder_of(key)).await?.object(key).await })?;
        Ok(object.map(described))
    }

    fn fetch(&self, bucket: &str, key: &str, path: &Path) -> Result<RemoteObject, BackendError> {
        let fetched = self.wait_for(async { self.bucket(bucket, folder_of(key)).await?.download(key, path).await })?;
        Ok(described(fetched))
    }

    fn part(&self, bucket: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        self.wait_for(async { self.bucket(bucket, folder_of(key)).await?.part(key, range).await })
    }
}

impl Drop for S3Remote {
    fn drop(&mut self) {
        // The last owner may be an async task, which must not block on threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for S3Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Remote").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn folder_of(key: &str) -> &str {
    key.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn described(object: S3Object) -> RemoteObject {
    let S3Object { key, size, etag } = object;
    // Servers differ in where they put quotes: in listings, answers, or both.
    RemoteObject { key, size, etag: etag.map(|etag| etag.trim_matches('"').to_owned()) }
}
