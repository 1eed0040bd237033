//! Messages that a run leaves in its queue: duplicates from a broken connection, and jobs that are not needed any more.

use crate::{
    failure::{Failure, RunFailure},
    terminal,
};
use queue::{QueueError, RabbitQueue};
use std::time::Duration;
use tokio::time::timeout;

/// The largest number of messages in the pool's queue that are read. Messages of other sweeps must be published again,
/// which takes time. In a longer queue, workers drop the messages when they receive them.
const MOST: u64 = 1000;

/// The longest time for this.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Whether the messages that are left of the sweep are not needed any more.
pub(in crate::commands) fn are_unwanted<T>(ended: &Result<T, Failure>) -> bool {
    matches!(
        ended,
        Ok(_) | Err(Failure::Run(RunFailure::Cancelled | RunFailure::Stopped(_) | RunFailure::TooManyFailures { .. }))
    )
}

/// Deletes the queue of the sweep, and removes its messages from the queue of the pool, so that an autoscaler sees an
/// empty queue. Workers also drop these messages, by the mark in the store; a worker may be started only for that.
pub(in crate::commands) async fn clear(queue: &RabbitQueue, sweep: &str) {
    let clearing = async {
        let dropped = queue.delete_queue(sweep).await?;
        // Messages return to the pool's queue if the queue of their sweep was deleted before.
        match queue.waiting_in_pool().await? {
            1..=MOST => Ok(dropped + queue.drop_sweep(sweep).await?),
            _ => Ok(dropped),
        }
    };
    match timeout(TIME_LIMIT, clearing).await {
        Ok(Ok(0)) => {}
        Ok(Ok(dropped)) => {
            terminal::note(format_args!(
                "{dropped} messages of the sweep were left in the queue and have been dropped"
            ));
        }
        Ok(Err(error)) => warn(&error),
        Err(_) => {
            tracing::warn!("the messages that the sweep left in the queue are not dropped yet; workers drop them")
        }
    }
}

fn warn(error: &QueueError) {
    tracing::warn!(%error, "cannot read the messages that the sweep left in the queue; workers drop them");
}
