use super::super::link::Link;
use amq_protocol::{
    frame::{AMQPFrame, parse_frame},
    protocol::{AMQPClass, connection},
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use lapin::types::{AMQPValue, FieldTable};
use std::{io, time::Duration};
use tokio::time::timeout;

/// How long a broker may take to greet.
const PATIENCE: Duration = Duration::from_secs(10);
/// A greeting is a few hundred bytes.
const LONGEST: usize = 64 * 1024;

/// What the broker calls itself. It says so in its first frame, before anybody logs in; the client keeps that to itself.
pub(super) async fn of(link: &Link) -> io::Result<String> {
    timeout(PATIENCE, greet(link)).await?
}

async fn greet(link: &Link) -> io::Result<String> {
    let mut stream = link.stream().await?;
    stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
    stream.flush().await?;
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    while received.len() < LONGEST {
        let count = stream.read(&mut chunk).await?;
        if count == 0 {
            break;
        }
        received.extend_from_slice(&chunk[..count]);
        if let Ok((_, frame)) = parse_frame(received.as_slice()) {
            return named(&frame).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

fn named(frame: &AMQPFrame) -> Option<String> {
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
