mod connect;
mod content;
mod dates;
mod failure;
mod fetch;
mod listing;
mod multipart;
mod place;
mod read;
mod settings;
#[cfg(test)]
mod tests;
mod write;

pub use fetch::S3Object;
pub use place::{S3Place, S3PlaceError};
pub use settings::{RequestLimits, S3Credentials, S3Settings};

use crate::{Action, Backend, BackendError, Dated, Key, Listing, Put};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    config::{Config, retry::RetryConfig, timeout::TimeoutConfig},
};
use backon::{BackoffBuilder, ExponentialBuilder};
use connect::Connection;
use content::Content;
use failure::RequestFailure;
use listing::S3Listing;
use std::{fmt, path::Path, sync::Arc, time::Duration};
use write::Condition;

/// A bucket of S3, or a part of one, with one object under each key.
///
/// An object exists when its last byte has arrived, and at once for every reader: S3 keeps that rule of the contract by
/// itself. Conditional writes carry `If-None-Match: *`. A server that ignores it breaks the contract, which
/// [`Store::check`](crate::Store::check) detects. A request that fails with a transient error is made again, with
/// growing random pauses, up to the [`RequestLimits`]. A write whose answer was lost is made again and then finds its
/// own object: it returns [`Put::Exists`], as the contract allows.
#[derive(Clone)]
pub struct S3Backend {
    client: Client,
    place: S3Place,
    /// The server, for people.
    endpoint: Arc<str>,
    limits: RequestLimits,
    sizes: Sizes,
}

/// The sizes from which work is divided. Tests use small ones.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    /// The most keys that one answer lists.
    page: i32,
    /// The largest content that is written in one piece.
    whole: usize,
    /// The pieces of larger ones; S3 takes none below 5 MiB but the last.
    piece: usize,
}

/// What S3 takes and servers digest.
const SIZES: Sizes = Sizes { page: 1000, whole: 16 << 20, piece: 8 << 20 };
/// Attempts at the first request, where a person waits for the answer.
const FIRST_ATTEMPTS: u32 = 4;

impl S3Backend {
    /// Opens the store at `place`, and finds out whether it can be listed.
    ///
    /// # Errors
    /// Settings, credentials or region are missing or wrong, the server cannot be reached or is none of S3, the bucket
    /// is missing or lies elsewhere, or these credentials may not list it.
    pub async fn open(place: S3Place, settings: &S3Settings) -> Result<Self, BackendError> {
        let url = place.to_string();
        let opened = async {
            let Connection { client, endpoint } = connect::connect(settings).await?;
            let this = Self { client, place, endpoint: endpoint.into(), limits: settings.limits, sizes: SIZES };
            this.probe().await?;
            Ok(this)
        };
        opened.await.map_err(|trouble: RequestFailure| trouble.at(Action::Open, url))
    }

    /// Another place behind the same server, with the same settings and credentials.
    ///
    /// # Errors
    /// The bucket is missing, or these credentials may not list it.
    pub async fn elsewhere(&self, place: S3Place) -> Result<Self, BackendError> {
        let url = place.to_string();
        let this = self.at(place);
        this.probe().await.map_err(|trouble| trouble.at(Action::Open, url))?;
        Ok(this)
    }

    /// The same, without checking that it exists.
    #[must_use]
    pub fn at(&self, place: S3Place) -> Self {
        Self { place, ..self.clone() }
    }

    async fn probe(&self) -> Result<(), RequestFailure> {
        let attempts = self.limits.attempts.min(FIRST_ATTEMPTS);
        let retries = RetryConfig::standard().with_max_attempts(attempts).with_max_backoff(self.limits.longest_pause);
        let prefix = Some(self.place.full("")).filter(|prefix| !prefix.is_empty());
        let list = self.client.list_objects_v2().bucket(self.place.bucket()).set_prefix(prefix).max_keys(1);
        let answer = list.customize().config_override(Config::builder().retry_config(retries)).send().await;
        answer.map(drop).map_err(|error| RequestFailure::of(error, &self.endpoint))
    }

    /// Settings for a request that moves `bytes`.
    fn moving(&self, bytes: usize) -> aws_sdk_s3::config::Builder {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.limits.connect)
            .operation_attempt_timeout(self.limits.attempt(bytes))
            .build();
        Config::builder().timeout_config(timeouts)
    }

    /// The pauses between attempts at what the client itself does not try again.
    fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.limits.first_pause)
            .with_max_delay(self.limits.longest_pause)
            .with_max_times(self.limits.attempts.saturating_sub(1) as usize)
            .build()
    }

    /// Runs `work` until it succeeds, fails permanently, or has used all attempts.
    async fn with_retries<T, F>(&self, mut work: impl FnMut() -> F) -> Result<T, RequestFailure>
    where
        F: Future<Output = Result<T, RequestFailure>>,
    {
        let mut pauses = self.pauses();
        loop {
            match work().await {
                Err(trouble) if trouble.again => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(trouble),
                },
                outcome => return outcome,
            }
        }
    }
}

#[async_trait]
impl Backend for S3Backend {
    fn place(&self) -> String {
        self.place.to_string()
    }

    fn refuses_for_now(&self) -> bool {
        true
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError> {
        let read = self.with_retries(|| self.read(key.as_str())).await;
        read.map_err(|trouble| trouble.at(Action::Read, self.place.url(key.as_str())))
    }

    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        let read = self.with_retries(|| self.read_dated(key.as_str())).await;
        read.map_err(|trouble| trouble.at(Action::Read, self.place.url(key.as_str())))
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError> {
        self.write(key, Content::Bytes(content.into()), Condition::IsAbsent).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError> {
        self.write(key, Content::Bytes(content.into()), Condition::None).await.map(|_| ())
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError> {
        Ok(self.object(key.as_str()).await?.map(|object| object.size))
    }

    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError> {
        Ok(self.download_if_there(key.as_str(), to).await?.map(|object| object.size))
    }

    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError> {
        self.write_file(key, from, Condition::IsAbsent).await
    }

    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError> {
        self.write_file(key, from, Condition::None).await.map(|_| ())
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError> {
        Ok(Box::new(S3Listing::new(self.clone(), folder)))
    }

    async fn delete(&self, key: &Key) -> Result<(), BackendError> {
        let deleted = self.remove(key.as_str()).await;
        deleted.map_err(|trouble| trouble.at(Action::Delete, self.place.url(key.as_str())))
    }
}

impl fmt::Debug for S3Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Backend").field("place", &self.place).field("endpoint", &self.endpoint).finish()
    }
}
