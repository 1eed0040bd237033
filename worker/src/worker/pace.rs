//! What the lanes of one worker know of each other.

use crate::Stop;
use std::time::Duration;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time::{Instant, sleep_until},
};

/// A worker looks ahead only while jobs take less than this: of a longer job the store's latency is a small part.
const SHORT: Duration = Duration::from_secs(1);

/// A job that was taken ahead goes back once the one before it has computed for so long: other workers may be idle.
const LONGEST_AHEAD: Duration = Duration::from_secs(2);

/// What the lanes of one worker share: the wish to end, the device, and how long jobs take.
#[derive(Debug)]
pub(super) struct Pace {
    /// No more jobs are taken.
    pub(super) closing: Stop,
    /// The job that computes stops soon.
    pub(super) leave: Stop,
    device: Mutex<()>,
    state: watch::Sender<State>,
}

/// The device, until it is dropped.
pub(super) type Device<'a> = MutexGuard<'a, ()>;

#[derive(Debug, Clone, Copy)]
struct State {
    /// Jobs in hand, of all lanes.
    held: usize,
    /// Since when a job computes.
    computing: Option<Instant>,
    /// A job in hand is to be alone.
    is_exclusive: bool,
    /// How long the last job computed.
    last: Option<Duration>,
    /// When the worker settled a job last.
    worked: Instant,
}

impl State {
    /// Whether jobs are short: the last one was, and the one that computes has been so far.
    fn is_brisk(&self) -> bool {
        let was_short = self.last.is_some_and(|last| last < SHORT);
        let is_short = self.computing.is_none_or(|since| since.elapsed() < SHORT);
        was_short && is_short && !self.is_exclusive
    }
}

/// A job in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a Pace);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.held -= 1);
    }
}

/// A job that is to be alone in hand, until it is dropped.
#[derive(Debug)]
pub(super) struct Exclusive<'a>(&'a Pace);

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.is_exclusive = false);
    }
}

impl Default for Pace {
    fn default() -> Self {
        let state = State { held: 0, computing: None, is_exclusive: false, last: None, worked: Instant::now() };
        Self {
            closing: Stop::default(),
            leave: Stop::default(),
            device: Mutex::default(),
            state: watch::Sender::new(state),
        }
    }
}

impl Pace {
    /// Waits for the device.
    pub(super) async fn device(&self) -> Device<'_> {
        self.device.lock().await
    }

    /// The device, if it is free.
    pub(super) fn free_device(&self) -> Option<Device<'_>> {
        self.device.try_lock().ok()
    }

    /// Notes a job in hand.
    pub(super) fn hold(&self) -> Held<'_> {
        self.state.send_modify(|state| state.held += 1);
        Held(self)
    }

    /// Keeps other lanes from holding a job; the caller has the device and holds one itself.
    pub(super) fn exclude_others(&self) -> Exclusive<'_> {
        self.state.send_modify(|state| state.is_exclusive = true);
        Exclusive(self)
    }

    /// A job begins to compute.
    pub(super) fn begins(&self) {
        self.state.send_modify(|state| state.computing = Some(Instant::now()));
    }

    /// The job has computed.
    pub(super) fn ends(&self) {
        self.state.send_modify(|state| state.last = state.computing.take().map(|since| since.elapsed()));
    }

    /// The worker has worked just now.
    pub(super) fn worked(&self) {
        self.state.send_modify(|state| state.worked = Instant::now());
    }

    pub(super) fn is_brisk(&self) -> bool {
        self.state.borrow().is_brisk()
    }

    /// Waits until jobs are short.
    pub(super) async fn brisk(&self) {
        self.until(|state| if state.is_brisk() { Due::Now } else { Due::Unknown }).await;
    }

    /// Waits until jobs are not short any more.
    pub(super) async fn slow(&self) {
        self.until(|state| match state.is_brisk() {
            true => state.computing.map_or(Due::Unknown, |since| Due::At(since + SHORT)),
            false => Due::Now,
        })
        .await;
    }

    /// Waits until a job that was taken ahead has to go back: another computes for long, or is to be alone.
    pub(super) async fn overdue(&self) {
        self.until(|state| match (state.is_exclusive, state.computing) {
            (true, _) => Due::Now,
            (false, Some(since)) => Due::At(since + LONGEST_AHEAD),
            (false, None) => Due::Unknown,
        })
        .await;
    }

    /// Waits until the caller's job is the only one in hand.
    pub(super) async fn alone(&self) {
        self.until(|state| if state.held <= 1 { Due::Now } else { Due::Unknown }).await;
    }

    /// Waits until no job was in hand for so long; for ever without a limit, or with one beyond all time.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        self.until(|state| match limit.and_then(|limit| state.worked.checked_add(limit)) {
            Some(end) if state.held == 0 => Due::At(end),
            _ => Due::Unknown,
        })
        .await;
    }

    async fn until(&self, due: impl Fn(&State) -> Due + Send + Sync) {
        let mut states = self.state.subscribe();
        loop {
            let due = due(&states.borrow_and_update());
            let passed = async {
                match due {
                    Due::Now => {}
                    Due::At(time) => sleep_until(time).await,
                    Due::Unknown => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = passed => return,
                // The sender is in `self`.
                _ = states.changed() => {}
            }
        }
    }
}

/// When what is waited for comes, as things stand.
enum Due {
    Now,
    At(Instant),
    Unknown,
}
