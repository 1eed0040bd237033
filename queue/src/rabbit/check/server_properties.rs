use super::super::connection::BrokerConnection;
use amq_protocol::{
    frame::{AMQPFrame, parse_frame},
    protocol::{AMQPClass, connection},
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use lapin::types::{AMQPValue, FieldTable};
use std::{io, time::Duration};
use tokio::time::timeout;

/// How long the broker may take to send its properties.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The properties are a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// Product, version and cluster of the broker. They are in the first frame of a connection, before the login. The
/// client does not expose them, so this opens a connection of its own.
pub(super) async fn of(connection: &BrokerConnection) -> io::Result<String> {
    timeout(TIME_LIMIT, receive(connection)).await?
}

async fn receive(connection: &BrokerConnection) -> io::Result<String> {
    let mut stream = connection.stream().await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    stream.flush().await?;
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while received.len() < LONGEST {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            break;
        }
        received.extend_from_slice(&chunk[..count]);
        if let Ok((_, frame)) = parse_frame(received.as_slice()) {
            return described(&frame).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn described(frame: &AMQPFrame) -> Option<String> {
    let AMQPFrame::Method(_, AMQPClass::Connection(connection::AMQPMethod::Start(start))) = frame else { return None };
    let text = |name| text(&start.server_properties, name);
    let name = format!("{} {}", text("product")?, text("version")?);
    Some(match text("cluster_name") {
        Some(cluster) => format!("{name}, cluster {cluster}"),
        None => name,
    })
}

fn text(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name)? {
        AMQPValue::LongString(value) => Some(value.to_string()),
        _ => None,
    }
}
