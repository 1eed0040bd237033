use std::{
    convert::Infallible,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// The time between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(1);
/// The longest time without a heartbeat while the event loop runs. Nothing that it waits for blocks it for seconds.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time before the event loop starts and after it stops: devices are opened, inputs are fetched and hashed,
/// reports are written.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Whether the event loop runs.
///
/// Poll [`heartbeat`](Self::heartbeat) in the same task as the work: it records the time for as long as that task is
/// polled. Before and after that no heartbeat is due, and the process counts as dead only after an hour.
#[derive(Debug)]
pub struct Liveness {
    start: Instant,
    /// Milliseconds from the start to the last heartbeat, or to the end of heartbeats.
    last: AtomicU64,
    is_active: AtomicBool,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { start: Instant::now(), last: AtomicU64::new(0), is_active: AtomicBool::new(false) }
    }
}

impl Liveness {
    /// Records heartbeats for as long as it is polled. No heartbeat is due once this future is dropped.
    pub async fn heartbeat(&self) -> Infallible {
        let _active = ActiveHeartbeat::new(self);
        loop {
            self.touch();
            sleep(HEARTBEAT_INTERVAL).await;
        }
    }

    /// Whether the process is alive: heartbeats arrive, or none is due yet.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check(&self) -> Result<(), String> {
        self.check_at(self.start.elapsed())
    }

    fn check_at(&self, now: Duration) -> Result<(), String> {
        // `is_active` is read first: a reader that sees it set sees the time of its start as well.
        let is_active = self.is_active.load(Ordering::Acquire);
        let silence = now.saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)));
        let seconds = silence.as_secs();
        if is_active && silence >= HEARTBEAT_TIMEOUT {
            return Err(format!("the event loop has not turned for {seconds} s"));
        }
        if !is_active && silence >= IDLE_TIMEOUT {
            return Err(format!("the process has neither started nor ended for {seconds} s"));
        }
        Ok(())
    }

    fn touch(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }
}

/// Marks heartbeats as due for as long as it lives.
struct ActiveHeartbeat<'a>(&'a Liveness);

impl<'a> ActiveHeartbeat<'a> {
    fn new(liveness: &'a Liveness) -> Self {
        // The time before the flag: see `Liveness::check_at`.
        liveness.touch();
        liveness.is_active.store(true, Ordering::Release);
        Self(liveness)
    }
}

impl Drop for ActiveHeartbeat<'_> {
    fn drop(&mut self) {
        self.0.touch();
        self.0.is_active.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heartbeats_must_not_stop_while_the_loop_runs_and_none_is_due_before_and_after() {
        let liveness = Liveness::default();
        assert_eq!(liveness.check(), Ok(()), "it has yet to begin");
        let idle = liveness.check_at(IDLE_TIMEOUT).unwrap_err();
        assert_eq!(idle, "the process has neither started nor ended for 3600 s");
        {
            let mut heartbeat = std::pin::pin!(liveness.heartbeat());
            tokio::select! {
                never = &mut heartbeat => match never {},
                () = tokio::task::yield_now() => {}
            }
            let now = liveness.start.elapsed();
            assert_eq!(liveness.check_at(now + Duration::from_secs(29)), Ok(()));
            let stopped = liveness.check_at(now + Duration::from_secs(31)).unwrap_err();
            assert_eq!(stopped, "the event loop has not turned for 31 s");
        }
        let now = liveness.start.elapsed();
        assert_eq!(liveness.check_at(now + Duration::from_secs(31)), Ok(()), "none is due any more");
    }
}
