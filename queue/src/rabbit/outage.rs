use super::{fault::Fault, settings::RabbitSettings};
use crate::error::QueueError;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) const SHORTEST_DELAY: Duration = Duration::from_millis(200);
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// The time since an operation began to fail, and the delays between attempts.
#[derive(Debug)]
pub(super) struct Outage {
    limit: Duration,
    since: Option<Instant>,
    delays: ExponentialBackoff,
}

impl Outage {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: None, delays: delays() }
    }

    /// Counts a failed attempt and returns the delay before the next one, or `None` past the limit.
    pub(super) fn failed(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.limit.checked_sub(since.elapsed()).filter(|left| !left.is_zero())?;
        Some(self.delays.next().unwrap_or(LONGEST_DELAY).min(left))
    }

    /// How long the outage has lasted.
    pub(super) fn duration(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Notes a successful attempt.
    pub(super) fn over(&mut self) {
        if self.since.take().is_some() {
            self.delays = delays();
        }
    }
}

/// Waits before the next attempt, or fails past the limit.
pub(super) async fn wait_or_fail(
    outage: &mut Outage,
    fault: Fault,
    settings: &RabbitSettings,
) -> Result<(), QueueError> {
    let Some(delay) = outage.failed() else {
        return Err(unreachable(settings, outage.duration(), &fault.reason));
    };
    tracing::warn!(address = %settings.address, reason = %fault.reason, ?delay, "the broker is out of reach; trying again");
    sleep(delay).await;
    Ok(())
}

/// The error that the broker has been unreachable for too long.
pub(super) fn unreachable(settings: &RabbitSettings, tried: Duration, last: &str) -> QueueError {
    QueueError::Unreachable { address: settings.address.to_string(), tried, last: last.to_owned() }
}

/// Jittered, so that not all workers reconnect to a restarted broker at the same time.
fn delays() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(SHORTEST_DELAY).with_max_delay(LONGEST_DELAY);
    builder.without_max_times().with_jitter().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_with_growing_delays_up_to_its_limit() {
        let mut outage = Outage::new(Duration::from_secs(60));
        let start = Instant::now();
        let mut delays = Vec::new();
        while let Some(delay) = outage.failed() {
            delays.push(delay);
            tokio::time::sleep(delay).await;
        }
        assert_eq!(start.elapsed().as_secs(), 60);
        assert!(delays[0] >= SHORTEST_DELAY && delays[0] <= SHORTEST_DELAY * 2, "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= LONGEST_DELAY * 2), "{delays:?}");
        assert!((8..25).contains(&delays.len()), "{delays:?}");
        assert!(outage.failed().is_none(), "it stays over its limit");
        outage.over();
        assert!(outage.failed().is_some_and(|delay| delay <= SHORTEST_DELAY * 2), "a new outage has a time of its own");
    }
}
