use tokio::sync::watch;

/// Completes once the user asks for an end: Ctrl-C, or SIGTERM from a supervisor. A second Ctrl-C ends the process at
/// once, which loses no more than the job in hand.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Starts to listen, on the current runtime.
    pub(crate) fn listen(tasks: &mut tokio::task::JoinSet<()>) -> Self {
        let (sender, receiver) = watch::channel(false);
        tasks.spawn(async move {
            asked().await;
            let _ = sender.send(true);
            asked().await;
            end_now();
        });
        Self(receiver)
    }

    /// Waits for the request.
    pub(crate) async fn requested(mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // Nobody can ask any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Ends the process. The store only ever holds whole objects: there is nothing to tidy up.
fn end_now() {
    #[expect(clippy::exit, reason = "the user asked twice; a computation on another thread cannot be waited for")]
    std::process::exit(75);
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
