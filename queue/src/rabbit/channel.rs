use super::fault::Fault;
use crate::source::Backlog;
use lapin::{Channel, Connection, ConnectionStatus, options::QueueDeclareOptions, types::FieldTable};
use std::{ops::Deref, time::Duration};
use tokio::time::sleep;

/// How long the broker may take over an answer that needs no work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to check whether the connection is still open.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// A channel that knows whether its connection is open.
///
/// When a connection breaks, the client fails all pending requests. Rarely, a request that is just being sent gets no
/// answer at all. Therefore no request waits for its answer alone.
#[derive(Debug, Clone)]
pub(super) struct WatchedChannel {
    channel: Channel,
    connection: ConnectionStatus,
}

impl Deref for WatchedChannel {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl WatchedChannel {
    /// Opens a channel on `connection`.
    pub(super) async fn open(connection: &Connection) -> Result<Self, Fault> {
        let status = connection.status().clone();
        let channel = run_while_connected(&status, async { Ok(connection.create_channel().await?) }).await?;
        Ok(Self { channel, connection: status })
    }

    /// Runs requests to the broker. Fails if the connection breaks or the answer takes too long.
    pub(super) async fn run<T>(&self, requests: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
        run_while_connected(&self.connection, requests).await
    }

    /// Queries the length of `queue` by a passive declaration. If the queue does not exist, the fault says so, and the
    /// broker has closed the channel.
    pub(super) async fn inspect(&self, queue: &str) -> Result<Backlog, Fault> {
        let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
        let declaring = self.queue_declare(queue.into(), passive, FieldTable::default());
        let found = self.run(async { Ok(declaring.await?) }).await?;
        Ok(Backlog { waiting: found.message_count().into(), consumers: found.consumer_count().into() })
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) -> Fault {
        lost(&self.connection).await
    }

    /// The status of the connection.
    pub(super) fn connection(&self) -> &ConnectionStatus {
        &self.connection
    }
}

/// Runs requests to the broker over `connection`. Fails if the connection breaks or the answer takes too long.
pub(super) async fn run_while_connected<T>(
    connection: &ConnectionStatus,
    requests: impl Future<Output = Result<T, Fault>> + Send,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        end = requests => end,
        fault = lost(connection) => Err(fault),
        () = sleep(ANSWER_TIMEOUT) => Err(Fault::new(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))),
    }
}

async fn lost(connection: &ConnectionStatus) -> Fault {
    while connection.connected() {
        sleep(POLL_INTERVAL).await;
    }
    Fault::new("the connection was lost")
}
