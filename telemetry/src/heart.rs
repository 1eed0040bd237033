use std::{
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How often the heart beats.
const BEAT: Duration = Duration::from_secs(1);
/// The longest silence of a loop that turns: it is never held up for seconds, whatever it waits for.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// How long a process may take until its loop begins to turn: devices are opened, brokers waited for, inputs hashed.
const LONGEST_START: Duration = Duration::from_secs(900);

/// Whether the event loop turns.
///
/// Poll [`beat`](Self::beat) in the same task as the work that has to go on; it beats as long as that task is polled.
#[derive(Debug)]
pub struct Heart {
    start: Instant,
    /// Milliseconds from the start to the last beat, plus one; 0 before the first.
    last: AtomicU64,
}

impl Default for Heart {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Heart {
    /// Beats for as long as it is polled.
    pub async fn beat(&self) -> Infallible {
        loop {
            self.last.store(millis(self.start.elapsed()) + 1, Ordering::Relaxed);
            sleep(BEAT).await;
        }
    }

    /// Whether it beats.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        self.check_at(self.start.elapsed())
    }

    fn check_at(&self, now: Duration) -> Result<(), String> {
        match self.last.load(Ordering::Relaxed) {
            0 if now < LONGEST_START => Ok(()),
            0 => Err(format!("the process has not begun its work after {} s", now.as_secs())),
            last => match now.saturating_sub(Duration::from_millis(last - 1)) {
                silence if silence < LONGEST_SILENCE => Ok(()),
                silence => Err(format!("the event loop has not turned for {} s", silence.as_secs())),
            },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_heart_is_given_time_to_begin_and_then_must_go_on() {
        let heart = Heart::default();
        assert_eq!(heart.check(), Ok(()), "it has yet to begin");
        assert!(heart.check_at(LONGEST_START).unwrap_err().contains("not begun"));
        tokio::select! {
            never = heart.beat() => match never {},
            () = tokio::task::yield_now() => {}
        }
        let now = heart.start.elapsed();
        assert_eq!(heart.check_at(now + Duration::from_secs(29)), Ok(()));
        assert_eq!(
            heart.check_at(now + Duration::from_secs(31)).unwrap_err(),
            "the event loop has not turned for 31 s"
        );
    }
}
