use super::fault::Fault;
use lapin::{Channel, Connection, ConnectionStatus};
use std::{ops::Deref, time::Duration};
use tokio::time::sleep;

/// How long the broker may take over an answer that needs no work.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);
/// How often to look whether the connection is still there.
const LOOK: Duration = Duration::from_millis(250);

/// A channel, with an eye on the connection it runs over.
///
/// The client answers each question with an error when its connection breaks, but now and then one that was just being
/// asked stays without any: so nobody waits for an answer alone.
#[derive(Debug, Clone)]
pub(super) struct Line {
    channel: Channel,
    connection: ConnectionStatus,
}

impl Deref for Line {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Line {
    /// A new channel on `connection`.
    pub(super) async fn open(connection: &Connection) -> Result<Self, Fault> {
        let status = connection.status().clone();
        let channel = attended(&status, async { Ok(connection.create_channel().await?) }).await?;
        Ok(Self { channel, connection: status })
    }

    /// Goes through `steps`, which ask the broker, for as long as an answer may come.
    pub(super) async fn attend<T>(&self, steps: impl Future<Output = Result<T, Fault>> + Send) -> Result<T, Fault> {
        attended(&self.connection, steps).await
    }

    /// Waits until the connection is gone.
    pub(super) async fn lost(&self) -> Fault {
        lost(&self.connection).await
    }

    /// What tells whether the connection is there.
    pub(super) fn connection(&self) -> &ConnectionStatus {
        &self.connection
    }
}

/// Goes through `steps`, which ask the broker over `connection`, for as long as an answer may come.
pub(super) async fn attended<T>(
    connection: &ConnectionStatus,
    steps: impl Future<Output = Result<T, Fault>> + Send,
) -> Result<T, Fault> {
    tokio::select! {
        biased;
        end = steps => end,
        fault = lost(connection) => Err(fault),
        () = sleep(ANSWER_PATIENCE) => Err(Fault::new(format!("no answer within {} s", ANSWER_PATIENCE.as_secs()))),
    }
}

async fn lost(connection: &ConnectionStatus) -> Fault {
    while connection.connected() {
        sleep(LOOK).await;
    }
    Fault::new("the connection was lost")
}
