use super::address::RabbitAddress;
use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

/// How to connect to a broker, and which queues to use.
#[derive(Debug, Clone)]
pub struct RabbitSettings {
    /// The broker.
    pub address: RabbitAddress,
    /// The pool of workers. Publishers and workers of one pool share its queues.
    pub pool: PoolName,
    /// The sweep whose jobs are published to a queue of their own. Without it they go to the queue of the pool.
    pub sweep: Option<String>,
    /// A file of PEM certificates of authorities that the broker of an `amqps` address may use, beside those of the
    /// system.
    pub ca_file: Option<PathBuf>,
    /// The name of the connections in the broker's list. Each one adds its purpose.
    pub name: String,
    /// How long to try the first connection. A refusal, for instance of the password, is final at once.
    pub first_limit: Duration,
    /// How long the broker may be unreachable later, before calls fail.
    pub outage_limit: Duration,
    /// Returns the `traceparent` of the current span. Every published job carries it.
    pub trace_parent: Option<fn() -> Option<String>>,
}

impl RabbitSettings {
    /// Settings for the pool `default`. A broker has 30 seconds to start, and five minutes to return.
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

/// The name of a pool of workers: lowercase messages, digits, `-` and `_`, 64 at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolName(String);

/// The text is no name of a pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` does not name a pool of workers; use 1 to {MAX_LENGTH} lowercase messages, digits, `-` and `_`")]
pub struct PoolNameError {
    name: String,
}

const MAX_LENGTH: usize = 64;

impl PoolName {
    /// The name.
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
        // No dots: they separate the parts of a queue's name, and permissions use such patterns.
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
    fn the_name_of_a_pool_has_no_special_characters() {
        for name in ["default", "a40", "big-gpus_2", &"x".repeat(64)] {
            assert_eq!(name.parse::<PoolName>().unwrap().as_str(), name);
        }
        for name in ["", "Default", "a b", "jobs.default", "käse", &"x".repeat(65)] {
            let error = name.parse::<PoolName>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` does not name a pool")), "{error}");
        }
    }
}
