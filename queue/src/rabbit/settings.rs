use super::RabbitAddress;
use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

/// How to reach a broker and what to ask of it.
#[derive(Debug, Clone)]
pub struct RabbitSettings {
    /// The broker.
    pub address: RabbitAddress,
    /// The worker pool whose jobs travel: publishers and workers of one pool meet.
    pub pool: PoolName,
    /// The sweep whose jobs are published: they get a queue of their own. Without it they go to the queue that all workers of the
    /// pool take jobs from.
    pub sweep: Option<String>,
    /// A file of PEM certificates that vouch for the broker of an `amqps` address, beside the system's own.
    pub ca_file: Option<PathBuf>,
    /// What the broker's list of connections shows. The purpose is added to it.
    pub name: String,
    /// How long to try the first connection. A refusal, such as that of a password, ends it at once.
    pub first_limit: Duration,
    /// How long the broker may be out of reach later, before calls fail.
    pub outage_limit: Duration,
    /// Tells where the current span's trace goes on, as a `traceparent`: it travels with every job that is published.
    pub trace_parent: Option<fn() -> Option<String>>,
}

impl RabbitSettings {
    /// Settings for the `default` pool, which give a broker half a minute to start and five to come back.
    pub fn new(address: RabbitAddress) -> Self {
        Self {
            address,
            pool: PoolName::default(),
            sweep: None,
            ca_file: None,
            name: "bowline".to_owned(),
            first_limit: Duration::from_secs(30),
            outage_limit: Duration::from_secs(300),
            trace_parent: None,
        }
    }
}

/// The name of a pool of workers: lowercase letters, digits, `-` and `_`, 64 at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolName(String);

/// A text that names no pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` does not name a pool of workers; use 1 to {MAX_LENGTH} lowercase letters, digits, `-` and `_`")]
pub struct PoolNameError {
    name: String,
}

const MAX_LENGTH: usize = 64;

impl PoolName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for PoolName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl FromStr for PoolName {
    type Err = PoolNameError;

    fn from_str(text: &str) -> Result<Self, PoolNameError> {
        // No dots: they part the words of a queue's name, and permissions are given by such patterns.
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
        if text.is_empty() || text.len() > MAX_LENGTH || !text.bytes().all(is_good) {
            return Err(PoolNameError { name: text.to_owned() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_a_plain_name() {
        for name in ["default", "a40", "big-gpus_2", &"x".repeat(64)] {
            assert_eq!(name.parse::<PoolName>().unwrap().as_str(), name);
        }
        for name in ["", "Default", "a b", "jobs.default", "käse", &"x".repeat(65)] {
            let error = name.parse::<PoolName>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` does not name a pool")), "{error}");
        }
    }
}
