use backon::{ExponentialBuilder, Retryable};
use std::time::Duration;
use store::StoreError;

/// The longest pause between two tries.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// Asks the store again while it is out of reach, for `outage` in all.
///
/// Backends try again by themselves what passes within seconds; this outlasts what takes minutes, so that neither a
/// finished job nor the worker with its caches is lost to it.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, StoreError>>>(
    outage: Duration,
    ask: impl FnMut() -> F,
) -> Result<T, StoreError> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(MAX_PAUSE)
        .with_total_delay(Some(outage))
        .without_max_times()
        .with_jitter();
    ask.retry(pauses)
        .when(StoreError::is_retryable)
        .notify(|error, pause| tracing::warn!(%error, ?pause, "the store is out of reach"))
        .await
}
