use parking_lot::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A message after a pause of this length begins a new burst.
const PAUSE: Duration = Duration::from_millis(100);

/// Distinguishes the first message of a burst from the others.
///
/// Only the first one is announced to workers: every job of a search that publishes one at a time, and the first job of
/// a large sweep that keeps its queue full. So the number of announcements is bounded, whatever the number of jobs.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    last: Mutex<Option<Instant>>,
}

impl Bursts {
    /// Notes a message, and returns whether it begins a burst.
    pub(super) fn begins(&self) -> bool {
        let now = Instant::now();
        let last = self.last.lock().replace(now);
        last.is_none_or(|last| now.duration_since(last) >= PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn only_the_first_message_and_those_after_a_pause_begin_a_burst() {
        let bursts = Bursts::default();
        assert!(bursts.begins());
        for _ in 0..10 {
            sleep(PAUSE / 2).await;
            assert!(!bursts.begins());
        }
        sleep(PAUSE).await;
        assert!(bursts.begins());
    }
}
