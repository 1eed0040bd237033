use crate::{failure::Failure, terminal};
use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

/// Listens for the user's wish to end: Ctrl-C, or SIGTERM from a supervisor.
///
/// While something [may end gracefully](Self::graceful), the first wish asks it to; at any other time, and when asked
/// twice, the process ends at once. That loses no more than the job in hand: the store only ever holds whole objects.
#[derive(Debug)]
pub(crate) struct Interrupts {
    _listener: JoinSet<()>,
    wishes: watch::Receiver<bool>,
    is_graceful: Arc<AtomicBool>,
}

/// Completes once the user wishes to end.
#[derive(Debug, Clone)]
pub(crate) struct Wish(watch::Receiver<bool>);

impl Interrupts {
    /// Listens as long as it lives.
    pub(crate) fn listen(runtime: &Runtime) -> Self {
        let (sender, wishes) = watch::channel(false);
        let is_graceful = Arc::new(AtomicBool::new(false));
        let graceful = Arc::clone(&is_graceful);
        let mut listener = JoinSet::new();
        listener.spawn_on(
            async move {
                asked().await;
                if graceful.load(Ordering::Relaxed) && sender.send(true).is_ok() {
                    asked().await;
                }
                end_now();
            },
            runtime.handle(),
        );
        Self { _listener: listener, wishes, is_graceful }
    }

    /// Runs `work`, which ends by itself when its wish completes.
    pub(crate) fn graceful<T>(&self, work: impl FnOnce(Wish) -> T) -> T {
        self.is_graceful.store(true, Ordering::Relaxed);
        let done = work(Wish(self.wishes.clone()));
        self.is_graceful.store(false, Ordering::Relaxed);
        done
    }
}

impl Wish {
    /// Waits for it.
    pub(crate) async fn uttered(mut self) {
        if self.0.wait_for(|wish| *wish).await.is_err() {
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

#[cfg(unix)]
async fn asked() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn asked() {
    drop(tokio::signal::ctrl_c().await);
}
