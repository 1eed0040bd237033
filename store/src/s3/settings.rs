use std::{fmt, path::PathBuf, time::Duration};

/// How S3 is reached; what is left out comes from the environment and the profiles that all AWS tools read.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// The URL of the S3 API of another server than Amazon's, such as `http://minio:9000`. Without it
    /// `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` and the profile count. Buckets are then named in the path, and
    /// checksums, which not every server understands, are sent and checked only where S3 requires them.
    pub endpoint: Option<String>,
    /// A PEM file of root certificates that are trusted beside the system's.
    pub ca: Option<PathBuf>,
    /// The region; another server than Amazon's gets `us-east-1` if none is set anywhere.
    pub region: Option<String>,
    /// Credentials to use instead of those of the default chain: environment, profile, web identity, container and
    /// instance roles.
    pub credentials: Option<S3Credentials>,
    /// Time limits and retries of requests.
    pub limits: RequestLimits,
}

/// An access key with its secret, which is never shown.
#[derive(Clone)]
pub struct S3Credentials {
    pub(super) access_key: String,
    pub(super) secret_key: String,
}

impl S3Credentials {
    /// Puts the two together.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { access_key: access_key.into(), secret_key: secret_key.into() }
    }
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Credentials")
    }
}

/// Time limits and retries for a server that is slow or unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// How often a request is made, the first time included.
    pub attempts: u32,
    /// The pause before the second attempt. It doubles with each attempt, and each pause is shortened at random.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long one attempt may take, without the time for its content.
    pub answer: Duration,
    /// How long a transfer may make no progress.
    pub stall: Duration,
}

impl Default for RequestLimits {
    /// Survives an outage of at least ten seconds, and a server that is slow for minutes.
    fn default() -> Self {
        Self {
            attempts: 10,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(20),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(20),
        }
    }
}

/// The slowest transfer that does not time out: 1 MiB may take 10 s.
const SLOWEST_BYTES_PER_SECOND: u64 = 100 * 1024;

impl RequestLimits {
    /// How long one attempt may take that moves `bytes`.
    pub(super) fn attempt(&self, bytes: usize) -> Duration {
        self.answer + Duration::from_secs(bytes as u64 / SLOWEST_BYTES_PER_SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let credentials = Some(S3Credentials::new("AKIA", "hush"));
        let shown = format!("{:?}", S3Settings { credentials, ..S3Settings::default() });
        assert!(!shown.contains("hush") && !shown.contains("AKIA"), "{shown}");
    }

    #[test]
    fn what_is_larger_may_take_longer() {
        let limits = RequestLimits::default();
        assert_eq!(limits.attempt(0).as_secs(), 30);
        assert_eq!(limits.attempt(10 * 1024 * 1024).as_secs(), 30 + 102);
    }
}
