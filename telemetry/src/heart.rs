use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// How often the heart beats.
const BEAT: Duration = Duration::from_secs(1);
/// The longest silence of a loop that turns: it is never held up for seconds, whatever it waits for.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// How long a process may take before its loop turns and after: devices are opened, inputs fetched and hashed, reports written.
const LONGEST_REST: Duration = Duration::from_secs(3600);

/// Whether the event loop turns.
///
/// Poll [`beat`](Self::beat) in the same task as the work that has to go on; it beats as long as that task is polled. Before
/// that and afterwards the heart rests, which is taken for death only when it lasts for an hour.
#[derive(Debug)]
pub struct Heart {
    start: Instant,
    /// Milliseconds from the start to the last beat, or to the end of beating.
    last: AtomicU64,
    is_beating: AtomicBool,
}

impl Default for Heart {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), is_beating: AtomicBool::new(false) }
    }
}

impl Heart {
    /// Beats for as long as it is polled; rests from when this is dropped.
    pub async fn beat(&self) -> Infallible {
        let _beating = Beating::new(self);
        loop {
            self.touch();
            sleep(BEAT).await;
        }
    }

    /// Whether it beats, or rests with reason.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        self.check_at(self.start.elapsed())
    }

    fn check_at(&self, now: Duration) -> Result<(), String> {
        // In this order: whoever sees that it beats sees when it began.
        let is_beating = self.is_beating.load(Ordering::Acquire);
        let silence = now.saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)));
        let seconds = silence.as_secs();
        match is_beating {
            true if silence >= LONGEST_SILENCE => Err(format!("the event loop has not turned for {seconds} s")),
            false if silence >= LONGEST_REST => Err(format!("nothing has come of the process for {seconds} s")),
            _ => Ok(()),
        }
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// The time in which a heart beats.
struct Beating<'a>(&'a Heart);

impl<'a> Beating<'a> {
    fn new(heart: &'a Heart) -> Self {
        heart.touch();
        heart.is_beating.store(true, Ordering::Release);
        Self(heart)
    }
}

impl Drop for Beating<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.is_beating.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_heart_may_rest_for_long_and_must_not_stop_while_it_beats() {
        let heart = Heart::default();
        assert_eq!(heart.check(), Ok(()), "it has yet to begin");
        assert_eq!(heart.check_at(LONGEST_REST).unwrap_err(), "nothing has come of the process for 3600 s");
        {
            let mut beating = std::pin::pin!(heart.beat());
            tokio::select! {
                never = &mut beating => match never {},
                () = tokio::task::yield_now() => {}
            }
            let now = heart.start.elapsed();
            assert_eq!(heart.check_at(now + Duration::from_secs(29)), Ok(()));
            let stopped = heart.check_at(now + Duration::from_secs(31)).unwrap_err();
            assert_eq!(stopped, "the event loop has not turned for 31 s");
        }
        let now = heart.start.elapsed();
        assert_eq!(heart.check_at(now + Duration::from_secs(31)), Ok(()), "it rests again");
    }
}
