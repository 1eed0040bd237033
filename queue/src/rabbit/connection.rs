use super::{channel::WatchedChannel, fault::Fault, settings::RabbitSettings};
use crate::error::QueueError;
use futures_util::{AsyncRead, AsyncWrite, Stream, StreamExt};
use lapin::{
    Connection, ConnectionProperties, ConnectionStatus, Event,
    tcp::{AMQPUriTcpExt, OwnedTLSConfig},
};
use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Mutex, task::JoinSet, time::timeout};

/// How long connecting may take, unless the address contains another limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// One connection to the broker. It is opened when a channel is requested and no connection is open.
///
/// Opening is tried once. The caller decides how long to try again.
pub(super) struct BrokerConnection {
    settings: Arc<RabbitSettings>,
    purpose: &'static str,
    certificates: Option<String>,
    open: Mutex<Option<Open>>,
    /// The connection that was opened last.
    last: parking_lot::Mutex<Option<ConnectionStatus>>,
    connections: AtomicU64,
}

struct Open {
    connection: Connection,
    /// Dropped with the connection.
    _events: JoinSet<()>,
}

impl std::fmt::Debug for BrokerConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrokerConnection").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

impl BrokerConnection {
    /// A connection that is not open yet, for a purpose that the broker shows.
    pub(super) fn new(settings: &Arc<RabbitSettings>, purpose: &'static str) -> Result<Self, QueueError> {
        let certificates = settings.ca_file.as_ref().map(|path| {
            let text = fs::read_to_string(path).and_then(|text| {
                if text.contains("-----BEGIN CERTIFICATE-----") {
                    return Ok(text);
                }
                Err(io::Error::new(io::ErrorKind::InvalidData, "no `BEGIN CERTIFICATE` channel in it"))
            });
            text.map_err(|source| QueueError::CaFile { path: path.clone(), source })
        });
        let certificates = certificates.transpose()?;
        Ok(Self {
            settings: Arc::clone(settings),
            purpose,
            certificates,
            open: Mutex::new(None),
            last: parking_lot::Mutex::default(),
            connections: AtomicU64::new(0),
        })
    }

    /// Opens a channel, on a new connection if the last one is lost.
    pub(super) async fn channel(&self) -> Result<WatchedChannel, Fault> {
        let mut slot = self.open.lock().await;
        if let Some(open) = slot.as_ref().filter(|open| open.connection.status().connected()) {
            return WatchedChannel::open(&open.connection).await;
        }
        *slot = None;
        let connection = self.connect().await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        *self.last.lock() = Some(connection.status().clone());
        let channel = WatchedChannel::open(&connection).await?;
        let mut events = JoinSet::new();
        events.spawn(watch(connection.events_listener(), self.settings.address.to_string()));
        *slot = Some(Open { connection, _events: events });
        Ok(channel)
    }

    /// How often a connection was made after the first.
    pub(super) fn reconnects(&self) -> u64 {
        self.connections.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Whether the connection is open.
    pub(super) fn is_open(&self) -> bool {
        self.last.lock().as_ref().is_some_and(ConnectionStatus::connected)
    }

    /// Whether the broker has blocked the connection: it is short of memory or disk.
    pub(super) async fn is_blocked(&self) -> bool {
        self.open.lock().await.as_ref().is_some_and(|open| open.connection.status().blocked())
    }

    /// The heartbeat interval that was agreed with the broker.
    pub(super) async fn heartbeat(&self) -> Option<Duration> {
        let slot = self.open.lock().await;
        let seconds = slot.as_ref()?.connection.configuration().heartbeat();
        (seconds > 0).then(|| Duration::from_secs(seconds.into()))
    }

    /// A new TCP or TLS connection, before the AMQP handshake.
    pub(super) async fn stream(&self) -> io::Result<impl AsyncRead + AsyncWrite + Unpin> {
        let runtime = lapin::runtime::default_runtime().map_err(io::Error::other)?;
        self.settings.address.uri().connect_with_config_async(self.tls().as_ref(), &runtime).await
    }

    /// Closes the connection.
    pub(super) async fn close(&self) {
        if let Some(open) = self.open.lock().await.take() {
            // A connection that is lost already need not be closed.
            _ = timeout(CONNECT_TIMEOUT, open.connection.close(200, "done".into())).await;
        }
    }

    fn tls(&self) -> OwnedTLSConfig {
        OwnedTLSConfig { identity: None, cert_chain: self.certificates.clone() }
    }

    async fn connect(&self) -> Result<Connection, Fault> {
        let address = &self.settings.address;
        let uri = address.uri().clone();
        let limit = uri.query.connection_timeout.map_or(CONNECT_TIMEOUT, Duration::from_millis);
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("{} ({})", self.settings.name, self.purpose).into())
            .with_client_property("product".into(), "bowline".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let runtime = lapin::runtime::default_runtime()?;
        let connecting = Connection::connect_uri_with_config(uri, properties, self.tls(), runtime);
        match timeout(limit, connecting).await {
            Ok(Ok(connection)) => {
                tracing::debug!(%address, purpose = self.purpose, "connected to the broker");
                Ok(connection)
            }
            Ok(Err(error)) => Err(Fault::connecting(&error, &self.settings)),
            Err(_) => Err(Fault::new(format!("no answer within {} s", limit.as_secs_f32()))),
        }
    }
}

/// Logs when the broker blocks the connection, because a silent wait looks like a hang.
async fn watch(events: impl Stream<Item = Event>, address: String) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        match event {
            Event::ConnectionBlocked(reason) => {
                tracing::warn!(%address, %reason, "the broker accepts no messages for now; publishing waits");
            }
            Event::ConnectionUnblocked => tracing::warn!(%address, "the broker accepts messages again"),
            _ => {}
        }
    }
}
