pub(crate) use jobs::now_ms;
use tokio::time::Instant;

/// The time at which a decision is made. A shell reads it once, and passes it to the pure functions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// By the monotonic clock.
    pub(crate) instant: Instant,
    /// Milliseconds since 1970, UTC, by the machine's clock.
    pub(crate) unix_ms: u64,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self { instant: Instant::now(), unix_ms: now_ms() }
    }
}
