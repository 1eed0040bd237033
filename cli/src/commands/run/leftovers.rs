//! What a run leaves in its queue: messages that were doubled when a connection broke, or that nobody waits for any more.

use crate::{
    failure::{Failure, RunFailure},
    terminal,
};
use queue::{QueueError, RabbitQueue};
use std::time::Duration;
use tokio::time::timeout;

/// The most messages of the pool's queue that are gone through. Those of other sweeps are sent once more, which takes its time; in a longer queue
/// workers drop what is left as they come to it.
const MOST: u64 = 1000;

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether nobody wants what is left of the sweep in the queue.
pub(in crate::commands) fn are_unwanted<T>(ended: &Result<T, Failure>) -> bool {
    matches!(
        ended,
        Ok(_) | Err(Failure::Run(RunFailure::Cancelled | RunFailure::Stopped(_) | RunFailure::TooManyFailures { .. }))
    )
}

/// Deletes the queue of the sweep, and takes what it has left out of that of the pool, so that a pool without work is seen to have none. The store tells workers to
/// drop it as well: what cannot be done here costs a worker that is started for it.
pub(in crate::commands) async fn clear(queue: &RabbitQueue, sweep: &str) {
    let clearing = async {
        let dropped = queue.delete_queue(sweep).await?;
        // Messages of this sweep are there as well where a queue was deleted before they came back to it.
        match queue.waiting_in_pool().await? {
            1..=MOST => Ok(dropped + queue.drop_sweep(sweep).await?),
            _ => Ok(dropped),
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
