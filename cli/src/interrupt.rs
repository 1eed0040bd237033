use crate::{failure::Failure, terminal};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

/// Listens for the user's wish to end: Ctrl-C, SIGTERM from a supervisor, or SIGHUP when the terminal goes away.
///
/// While something [may end gracefully](Self::graceful), the first wishes ask it to; at any other time, and when asked
/// once more, the process ends at once. That loses no more than the job in hand: the store only ever holds whole objects.
#[derive(Debug)]
pub(crate) struct Interrupts {
    _listener: JoinSet<()>,
    wishes: watch::Receiver<u32>,
    /// How many wishes are heard by what is running.
    patience: Arc<AtomicU32>,
}

/// The user's wishes to end, as they are uttered.
#[derive(Debug, Clone)]
pub(crate) struct Wishes(watch::Receiver<u32>);

impl Interrupts {
    /// Listens as long as it lives.
    pub(crate) fn listen(runtime: &Runtime) -> Self {
        let (sender, wishes) = watch::channel(0);
        let patience = Arc::new(AtomicU32::new(0));
        let heard = Arc::clone(&patience);
        let mut listener = JoinSet::new();
        listener.spawn_on(
            async move {
                let mut asked = Asked::new();
                for wish in 1.. {
                    asked.again().await;
                    if wish > heard.load(Ordering::Relaxed) || sender.send(wish).is_err() {
                        return end_now();
                    }
                }
            },
            runtime.handle(),
        );
        Self { _listener: listener, wishes, patience }
    }

    /// Runs `work`, which ends by itself at one of the first `patience` wishes.
    pub(crate) fn graceful<T>(&self, patience: u32, work: impl FnOnce(Wishes) -> T) -> T {
        self.patience.store(patience, Ordering::Relaxed);
        let done = work(Wishes(self.wishes.clone()));
        self.patience.store(0, Ordering::Relaxed);
        done
    }
}

impl Wishes {
    /// Waits for the first wish.
    pub(crate) async fn first(self) {
        self.uttered(1).await;
    }

    /// Waits until so many are uttered.
    pub(crate) async fn uttered(mut self, count: u32) {
        if self.0.wait_for(|wishes| *wishes >= count).await.is_err() {
            // Nobody listens any more.
            std::future::pending::<()>().await;
        }
    }
}

fn end_now() {
    terminal::error(&Failure::Interrupted);
    #[expect(clippy::exit, reason = "a computation on another thread cannot be waited for")]
    process::exit(i32::from(Failure::Interrupted.exit_code()));
}

/// The signals that ask a process to end.
struct Asked {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    /// The terminal is gone. `None` where the process was started to outlive it, as by `nohup`.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    is_asked: bool,
}

#[cfg(unix)]
impl Asked {
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if is_hangup_ignored() { None } else { signal(SignalKind::hangup()).ok() };
        Self { terminate: signal(SignalKind::terminate()).ok(), hangup, is_asked: false }
    }

    async fn again(&mut self) {
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                () = received(&mut self.terminate) => break,
                // The system and the shell both send one, and supervisors one after SIGTERM: it is no wish to hurry.
                () = received(&mut self.hangup) => if !self.is_asked {
                    break;
                },
            }
        }
        self.is_asked = true;
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

/// Whether SIGHUP was ignored when the process started, which it would not be with a handler of ours. Linux tells; elsewhere the
/// signal is left as it is.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    let ignored = std::fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?.trim().to_owned();
        u64::from_str_radix(&mask, 16).ok()
    });
    // The first bit is that of signal 1.
    ignored.is_none_or(|mask| mask & 1 == 1)
}

#[cfg(not(unix))]
impl Asked {
    fn new() -> Self {
        Self {}
    }

    async fn again(&mut self) {
        drop(tokio::signal::ctrl_c().await);
    }
}
