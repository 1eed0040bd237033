//! What the job loops of one worker share: shutdown, the device, and how long jobs take.

use std::time::Duration;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// A worker takes the job after one that takes less than this while that one computes, and of longer ones only near the end:
/// the latency of the store matters less there, and another worker could compute the job meanwhile.
const SHORT: Duration = Duration::from_secs(1);

/// The part of a longer job that is left when the next one is taken ahead; at most [`SHORT`].
const LEAD: f64 = 0.1;

/// A job that was taken ahead is returned once it has waited this long while another one computes: other workers may be idle.
const MAX_AHEAD: Duration = Duration::from_secs(2);

/// What the job loops of one worker share.
#[derive(Debug)]
pub(super) struct LoopState {
    /// Cancelled when the running computation must stop. Its child `draining` is cancelled with it.
    pub(super) interrupt: CancellationToken,
    /// Cancelled when no further job is taken.
    pub(super) draining: CancellationToken,
    device: Mutex<()>,
    /// A change is announced only if it may end a wait earlier: each announcement polls both job loops once more, and a worker with
    /// jobs of a millisecond would do little else. Waits look again at what they wait for when their time is over.
    state: watch::Sender<State>,
}

/// The device, until it is dropped.
pub(super) type Device<'a> = MutexGuard<'a, ()>;

#[derive(Debug, Clone, Copy)]
struct State {
    /// Jobs that the loops hold.
    held: usize,
    /// When the running computation started.
    computing: Option<Instant>,
    /// A held job must be alone.
    is_exclusive: bool,
    /// A loop has the device and waits for a job.
    is_device_waiting: bool,
    /// How long the last job computed.
    last: Option<Duration>,
    /// When the worker last settled a job.
    last_settled: Instant,
}

/// Whether a job may be taken ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// Not before something changes.
    Closed,
    OpensAt(Instant),
    /// Nothing computes, and jobs are short.
    Open,
    OpenUntil(Instant),
}

impl State {
    /// Whether the last job was short.
    fn was_short(&self) -> bool {
        self.last.is_some_and(|last| last < SHORT)
    }

    /// Whether a job may be taken ahead: the running one is expected to take as long as the last one.
    fn ahead(&self) -> Ahead {
        let is_closed = self.is_exclusive || self.is_device_waiting;
        let Some(last) = self.last.filter(|_| !is_closed) else { return Ahead::Closed };
        let Some(since) = self.computing else {
            return if self.was_short() { Ahead::Open } else { Ahead::Closed };
        };
        let lead = if self.was_short() { last } else { last.mul_f64(LEAD).min(SHORT) };
        let opens = since + (last - lead);
        let closes = opens + SHORT;
        let now = Instant::now();
        if now < opens {
            Ahead::OpensAt(opens)
        } else if now < closes {
            Ahead::OpenUntil(closes)
        } else {
            Ahead::Closed
        }
    }
}

/// A held job, until it is dropped.
#[derive(Debug)]
pub(super) struct Held<'a>(&'a LoopState);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.send_if_modified(|state| {
            state.held -= 1;
            // The first starts the idle time, the second lets a job that must be alone start.
            state.held == 0 || state.is_exclusive && state.held == 1
        });
    }
}

/// A held job that must be alone, until it is dropped.
#[derive(Debug)]
pub(super) struct Exclusive<'a>(&'a LoopState);

impl Drop for Exclusive<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.is_exclusive = false);
    }
}

/// The wait of a loop that has the device, until it is dropped.
#[derive(Debug)]
pub(super) struct DeviceWaiting<'a>(&'a LoopState);

impl Drop for DeviceWaiting<'_> {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| state.is_device_waiting = false);
    }
}

impl Default for LoopState {
    fn default() -> Self {
        let interrupt = CancellationToken::new();
        let draining = interrupt.child_token();
        let state = State {
            held: 0,
            computing: None,
            is_exclusive: false,
            is_device_waiting: false,
            last: None,
            last_settled: Instant::now(),
        };
        Self { interrupt, draining, device: Mutex::default(), state: watch::Sender::new(state) }
    }
}

impl LoopState {
    /// Waits for the device.
    pub(super) async fn device(&self) -> Device<'_> {
        self.device.lock().await
    }

    /// Waits for the device, for a loop without a job that then waits for one: a job of the other loop goes first, and would
    /// otherwise wait for as long as the queue is empty.
    pub(super) async fn device_without_jobs(&self) -> Device<'_> {
        loop {
            let device = self.device().await;
            if self.state.borrow().held == 0 {
                return device;
            }
            drop(device);
            self.until(|state| if state.held == 0 { Due::Now } else { Due::AfterChange }).await;
        }
    }

    /// The device, if it is free.
    pub(super) fn free_device(&self) -> Option<Device<'_>> {
        self.device.try_lock().ok()
    }

    /// Counts a held job.
    pub(super) fn hold(&self) -> Held<'_> {
        self.change_quietly(|state| state.held += 1);
        Held(self)
    }

    /// Makes other loops return their jobs. The caller has the device and holds a job itself.
    pub(super) fn exclude_others(&self) -> Exclusive<'_> {
        self.state.send_modify(|state| state.is_exclusive = true);
        Exclusive(self)
    }

    /// The caller has the device and waits for a job. The other loop then takes none: its job would wait for the device for as long
    /// as the queue is empty.
    pub(super) fn wait_with_device(&self) -> DeviceWaiting<'_> {
        self.state.send_modify(|state| state.is_device_waiting = true);
        DeviceWaiting(self)
    }

    /// A computation starts.
    pub(super) fn computation_started(&self) {
        self.state.send_if_modified(|state| {
            state.computing = Some(Instant::now());
            !state.was_short()
        });
    }

    /// The computation has ended.
    pub(super) fn computation_ended(&self) {
        self.state.send_if_modified(|state| {
            let before = state.was_short();
            state.last = state.computing.take().map(|since| since.elapsed());
            !(before && state.was_short())
        });
    }

    /// Restarts the idle time: the worker has just settled a job.
    pub(super) fn restart_idle_time(&self) {
        self.change_quietly(|state| state.last_settled = Instant::now());
    }

    /// Changes the state in a way that can only make waits longer.
    fn change_quietly(&self, change: impl FnOnce(&mut State)) {
        self.state.send_if_modified(|state| {
            change(state);
            false
        });
    }

    /// Whether a job may be taken ahead.
    pub(super) fn is_ahead_open(&self) -> bool {
        matches!(self.state.borrow().ahead(), Ahead::Open | Ahead::OpenUntil(_))
    }

    /// Waits until a job may be taken ahead.
    pub(super) async fn ahead_opens(&self) {
        self.until(|state| match state.ahead() {
            Ahead::Open | Ahead::OpenUntil(_) => Due::Now,
            Ahead::OpensAt(time) => Due::At(time),
            Ahead::Closed => Due::AfterChange,
        })
        .await;
    }

    /// Waits until no job may be taken ahead any more.
    pub(super) async fn ahead_closes(&self) {
        self.until(|state| match state.ahead() {
            Ahead::Closed | Ahead::OpensAt(_) => Due::Now,
            Ahead::OpenUntil(time) => Due::At(time),
            // A computation that starts later does not close it before that.
            Ahead::Open => Due::At(Instant::now() + SHORT),
        })
        .await;
    }

    /// Waits until a job that was taken ahead at `taken` must be returned: another job computes for long, or must be alone.
    pub(super) async fn ahead_overdue(&self, taken: Instant) {
        self.until(|state| {
            if state.is_exclusive {
                return Due::Now;
            }
            // A computation that starts later is not long before that.
            Due::At(state.computing.map_or_else(Instant::now, |since| since.max(taken)) + MAX_AHEAD)
        })
        .await;
    }

    /// Waits until the caller's job is the only one that is held.
    pub(super) async fn alone(&self) {
        self.until(|state| if state.held <= 1 { Due::Now } else { Due::AfterChange }).await;
    }

    /// Waits until no job was held for this time. Without a limit, or with one beyond all time, it waits for ever.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        self.until(|state| match limit.and_then(|limit| state.last_settled.checked_add(limit)) {
            Some(end) if state.held == 0 => Due::At(end),
            _ => Due::AfterChange,
        })
        .await;
    }

    async fn until(&self, due: impl Fn(&State) -> Due + Send + Sync) {
        let mut states = self.state.subscribe();
        loop {
            let due = due(&states.borrow_and_update());
            let time = match due {
                Due::Now => return,
                Due::At(time) if time <= Instant::now() => return,
                Due::At(time) => Some(time),
                Due::AfterChange => None,
            };
            let passed = async {
                match time {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                // The state may have changed without an announcement: look again.
                () = passed => {}
                // `changed` cannot fail: the sender is in `self`.
                _ = states.changed() => {}
            }
        }
    }
}

/// When the awaited condition holds, if the state does not change.
enum Due {
    Now,
    /// Not earlier. The state may then give a later time.
    At(Instant),
    /// Not before a change is announced.
    AfterChange,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    /// After a computation that took this long.
    async fn after(took: Duration) -> LoopState {
        let state = LoopState::default();
        state.computation_started();
        advance(took).await;
        state.computation_ended();
        state
    }

    #[tokio::test(start_paused = true)]
    async fn no_job_is_taken_ahead_while_a_loop_waits_with_the_device() {
        let state = after(SHORT / 10).await;
        assert!(state.is_ahead_open());
        let waiting = state.wait_with_device();
        assert!(!state.is_ahead_open());
        timeout(SHORT, state.ahead_closes()).await.expect("a loop that waits for a job as well gives up");
        drop(waiting);
        assert!(state.is_ahead_open());
    }

    #[tokio::test(start_paused = true)]
    async fn the_job_after_a_long_one_is_taken_once_nine_tenths_of_the_last_time_are_over() {
        let state = after(SHORT * 3).await;
        assert!(!state.is_ahead_open(), "nothing computes, and the next job takes the device");
        let start = Instant::now();
        let opened = async {
            state.ahead_opens().await;
            start.elapsed()
        };
        let (opened, ()) = tokio::join!(opened, async { state.computation_started() });
        assert!((SHORT * 27 / 10..SHORT * 28 / 10).contains(&opened), "{opened:?}");
        state.ahead_closes().await;
        let closed = start.elapsed();
        assert!((SHORT * 37 / 10..SHORT * 38 / 10).contains(&closed), "{closed:?}");
    }
}
