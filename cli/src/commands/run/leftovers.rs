//! What a run leaves in its queue: messages that were doubled when a connection broke, or that nobody waits for any more.

use crate::{
    failure::{Failure, RunFailure},
    terminal,
};
use queue::{JobPublisher, QueueError, RabbitQueue};
use std::time::Duration;
use tokio::time::timeout;

/// The most messages that are gone through. Those of other sweeps are sent once more, which takes its time; in a longer queue
/// workers drop what is left as they come to it.
const MOST: u64 = 1000;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether nobody wants what is left of the sweep in the queue.
pub(super) fn are_unwanted<T>(ended: &Result<T, Failure>) -> bool {
    matches!(
        ended,
        Ok(_) | Err(Failure::Run(RunFailure::Cancelled | RunFailure::Stopped(_) | RunFailure::TooManyFailures { .. }))
    )
}

/// Takes what the sweep has left out of the queue, so that a pool without work is seen to have none. The store tells workers to
/// drop it as well: what cannot be done here costs a worker that is started for it.
pub(super) async fn clear(queue: &RabbitQueue, sweep: &str) {
    let clearing = async {
        match queue.waiting().await? {
            Some(waiting) if (1..=MOST).contains(&waiting) => queue.drop_sweep(sweep).await,
            _ => Ok(0),
        }
    };
    match timeout(PATIENCE, clearing).await {
        Ok(Ok(0)) => {}
        Ok(Ok(dropped)) => {
            terminal::note(format_args!("{dropped} messages of the sweep were left in the queue, and are dropped"));
        }
        Ok(Err(error)) => warn(&error),
        Err(_) => tracing::warn!("what the sweep has left in the queue is not dropped yet: workers do that"),
    }
}

fn warn(error: &QueueError) {
    tracing::warn!(%error, "cannot look what the sweep has left in the queue: workers drop it");
}
