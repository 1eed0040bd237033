use crate::{failure::Failure, terminal};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

/// Listens for shutdown signals: Ctrl-C, SIGTERM from a supervisor, or SIGHUP when the terminal is closed.
///
/// While some work [can end gracefully](Self::graceful), the first signals ask it to end. Every other signal ends the
/// process at once. That loses at most the job that is being computed: the store only ever holds whole objects.
#[derive(Debug)]
pub(crate) struct Interrupts {
    _listener: JoinSet<()>,
    signals: ShutdownSignals,
    /// The number of signals that the running work handles itself.
    handled: Arc<AtomicU32>,
}

/// The shutdown signals that have arrived.
#[derive(Debug, Clone)]
pub(crate) struct ShutdownSignals(watch::Receiver<u32>);

impl Interrupts {
    /// Listens until it is dropped.
    pub(crate) fn listen(runtime: &Runtime) -> Self {
        let (sender, receiver) = watch::channel(0);
        let handled = Arc::new(AtomicU32::new(0));
        let handled_by_work = Arc::clone(&handled);
        let mut listener = JoinSet::new();
        listener.spawn_on(
            async move {
                let mut source = SignalSource::new();
                for count in 1.. {
                    source.next().await;
                    if count > handled_by_work.load(Ordering::Relaxed) || sender.send(count).is_err() {
                        return end_now();
                    }
                }
            },
            runtime.handle(),
        );
        Self { _listener: listener, signals: ShutdownSignals(receiver), handled }
    }

    /// Runs `work`, which handles the first `count` signals itself.
    pub(crate) fn graceful<T>(&self, count: u32, work: impl FnOnce(ShutdownSignals) -> T) -> T {
        self.handled.store(count, Ordering::Relaxed);
        let done = work(self.signals.clone());
        self.handled.store(0, Ordering::Relaxed);
        done
    }
}

impl ShutdownSignals {
    /// Whether a signal has arrived.
    pub(crate) fn have_arrived(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Waits for the first signal.
    pub(crate) async fn first(self) {
        self.nth(1).await;
    }

    /// Waits until `count` signals have arrived.
    pub(crate) async fn nth(mut self, count: u32) {
        if self.0.wait_for(|signals| *signals >= count).await.is_err() {
            // The listener is gone, so no signal will arrive.
            std::future::pending::<()>().await;
        }
    }
}

fn end_now() {
    terminal::error(&Failure::Interrupted);
    worker::end_commands();
    #[expect(clippy::exit, reason = "a computation on another thread cannot be waited for")]
    process::exit(i32::from(Failure::Interrupted.exit_code()));
}

/// The operating system's signals that ask a process to end.
struct SignalSource {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    /// `None` if the process was started to outlive its terminal, as by `nohup`.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    /// A signal has arrived.
    #[cfg(unix)]
    has_signalled: bool,
}

#[cfg(unix)]
impl SignalSource {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if is_hangup_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { terminate: signal(SignalKind::terminate()).ok(), hangup, has_signalled: false }
    }

    /// Waits for the next signal.
    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                () = received(&mut self.terminate) => break,
                // The kernel and the shell both send SIGHUP, and a supervisor sends it after SIGTERM. A second signal
                // would end the process at once, so SIGHUP counts only as the first one.
                () = received(&mut self.hangup) => if !self.has_signalled {
                    break;
                },
            }
        }
        self.has_signalled = true;
    }
}

#[cfg(unix)]
async fn received(signal: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// Whether SIGHUP was ignored when the process started. A handler would end that, so none is installed then.
///
/// Linux shows it in `/proc`. On other systems SIGHUP keeps its default action.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let ignored = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim().to_owned();
        u64::from_str_radix(&mask, 16).ok()
    });
    // The lowest bit stands for signal 1, SIGHUP.
    ignored.is_none_or(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
impl SignalSource {
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
