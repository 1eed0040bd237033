//! Arguments of the simulated processes, which pass them on to others.

use crate::Failure;
use queue::{RabbitQueue, RabbitSettings};
use std::time::Duration;
use store::{Location, RequestLimits, S3Settings, Store, testing::S3Server};

/// Where the queue and the store of a cluster are.
#[derive(Debug, Clone, clap::Args)]
pub struct Cluster {
    /// The broker's address.
    #[arg(long)]
    pub amqp: String,
    /// The pool of workers.
    #[arg(long)]
    pub pool: String,
    /// A folder, or `s3://bucket/prefix`.
    #[arg(long)]
    pub store: Location,
    /// The S3 server, where the store is a bucket.
    #[arg(long)]
    pub s3_endpoint: Option<String>,
    /// How long queue and store may be unreachable.
    #[arg(long, default_value_t = 120)]
    pub outage_s: u64,
}

impl Cluster {
    /// The same as arguments for another process.
    pub fn arguments(&self) -> Vec<String> {
        let endpoint = self.s3_endpoint.iter().flat_map(|url| ["--s3-endpoint".to_owned(), url.clone()]);
        let store = self.store.to_string();
        let outage = self.outage_s.to_string();
        let rest = [("--amqp", &self.amqp), ("--pool", &self.pool), ("--store", &store), ("--outage-s", &outage)];
        rest.into_iter().flat_map(|(name, value)| [name.to_owned(), value.clone()]).chain(endpoint).collect()
    }

    /// How long queue and store may be unreachable.
    pub fn outage(&self) -> Duration {
        Duration::from_secs(self.outage_s)
    }

    /// Connects to the broker.
    ///
    /// # Errors
    /// The address or the pool's name cannot be read; the broker is out of reach for as long as the outage limit.
    pub async fn queue(&self, name: &str) -> Result<RabbitQueue, Failure> {
        self.connect(name, None).await
    }

    /// Connects to the broker to publish jobs of `sweep`, which has a queue of its own.
    ///
    /// # Errors
    /// As [`queue`](Self::queue).
    pub async fn queue_of(&self, name: &str, sweep: &str) -> Result<RabbitQueue, Failure> {
        self.connect(name, Some(sweep.to_owned())).await
    }

    async fn connect(&self, name: &str, sweep: Option<String>) -> Result<RabbitQueue, Failure> {
        let mut settings = RabbitSettings::new(self.amqp.parse()?);
        settings.pool = self.pool.parse()?;
        settings.sweep = sweep;
        name.clone_into(&mut settings.name);
        settings.first_limit = self.outage();
        settings.outage_limit = self.outage();
        Ok(RabbitQueue::connect(settings).await?)
    }

    /// Opens the store.
    ///
    /// # Errors
    /// It is out of reach.
    pub async fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.store, &self.s3()).await?.with_retries(self.outage()))
    }

    /// How the store's S3 server is reached.
    pub fn s3(&self) -> S3Settings {
        let limits = RequestLimits {
            first_pause: Duration::from_millis(20),
            longest_pause: Duration::from_millis(500),
            connect: Duration::from_secs(2),
            answer: ANSWER_LIMIT,
            stall: Duration::from_secs(2),
            ..RequestLimits::default()
        };
        S3Settings {
            endpoint: self.s3_endpoint.clone(),
            region: Some("us-east-1".to_owned()),
            credentials: Some(S3Server::credentials()),
            limits,
            ..S3Settings::default()
        }
    }
}

/// How long an S3 server may take to answer: a bucket that is slower than this has timed out.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(2);
