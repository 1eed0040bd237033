use super::RabbitSettings;
use crate::QueueError;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use lapin::ErrorKind;
use std::{io, time::Duration};
use tokio::time::Instant;

/// AMQP's `ACCESS_REFUSED`.
const ACCESS_REFUSED: u16 = 403;
/// AMQP's `NOT_FOUND`.
const NOT_FOUND: u16 = 404;
/// AMQP's `PRECONDITION_FAILED`.
const PRECONDITION_FAILED: u16 = 406;
/// AMQP's `NOT_ALLOWED`.
const NOT_ALLOWED: u16 = 530;

/// Why a step with the broker came to nothing.
#[derive(Debug)]
pub(super) struct Fault {
    /// The broker's or the system's words.
    pub(super) reason: String,
    /// What somebody has to mend, where waiting does not help by itself.
    pub(super) refusal: Option<QueueError>,
    /// There is no queue of that name.
    pub(super) is_missing: bool,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: None, is_missing: false }
    }

    /// A fault while connecting.
    pub(super) fn connecting(error: &lapin::Error, settings: &RabbitSettings) -> Self {
        let (reply, address) = (words(error), settings.address.to_string());
        let user = settings.address.user().to_owned();
        let refusal = match code(error) {
            Some(ACCESS_REFUSED) => Some(QueueError::Credentials { address, user, reply: reply.clone() }),
            Some(NOT_ALLOWED) => {
                let vhost = settings.address.vhost().to_owned();
                Some(QueueError::VirtualHost { address, user, vhost, reply: reply.clone() })
            }
            _ if is_tls(error) => Some(QueueError::Tls { address, reason: reply.clone() }),
            _ => None,
        };
        Self { reason: reply, refusal, is_missing: false }
    }

    /// A fault in the use of the queue or exchange `name`.
    pub(super) fn using(name: &str, error: &lapin::Error, settings: &RabbitSettings) -> Self {
        let (reply, address) = (words(error), settings.address.to_string());
        let name = name.to_owned();
        let refusal = match code(error) {
            Some(ACCESS_REFUSED) => {
                let user = settings.address.user().to_owned();
                Some(QueueError::Permission { address, user, name, reply: reply.clone() })
            }
            Some(PRECONDITION_FAILED) => Some(QueueError::OtherQueue { address, name, reply: reply.clone() }),
            _ => None,
        };
        Self { reason: reply, refusal, is_missing: false }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        Self { is_missing: code(&error) == Some(NOT_FOUND), ..Self::new(words(&error)) }
    }
}

fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// The broker's reply as it is: it begins with the name of its code.
fn words(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// rustls reports a certificate that does not hold, or a peer that speaks no TLS, as invalid data.
fn is_tls(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::IOError(error) if error.kind() == io::ErrorKind::InvalidData)
}

/// The time since something stopped working, and how long to wait before the next attempt.
#[derive(Debug)]
pub(super) struct Outage {
    limit: Duration,
    since: Option<Instant>,
    delays: ExponentialBackoff,
}

impl Outage {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, since: None, delays: delays() }
    }

    /// Counts a failed attempt. `None` past the limit, or else the delay before the next attempt.
    pub(super) fn failed(&mut self) -> Option<Duration> {
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.limit.checked_sub(since.elapsed()).filter(|left| !left.is_zero())?;
        Some(self.delays.next().unwrap_or(LONGEST_DELAY).min(left))
    }

    /// How long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// It works again.
    pub(super) fn over(&mut self) {
        if self.since.take().is_some() {
            self.delays = delays();
        }
    }
}

pub(super) const SHORTEST_DELAY: Duration = Duration::from_millis(200);
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// Jittered, so that a broker that comes back is not met by all its workers at once.
fn delays() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(SHORTEST_DELAY).with_max_delay(LONGEST_DELAY);
    builder.without_max_times().with_jitter().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_with_growing_delays_up_to_its_limit() {
        let mut outage = Outage::new(Duration::from_secs(60));
        let (start, mut delays) = (Instant::now(), Vec::new());
        while let Some(delay) = outage.failed() {
            delays.push(delay);
            tokio::time::sleep(delay).await;
        }
        assert_eq!(start.elapsed().as_secs(), 60);
        assert!(delays[0] >= SHORTEST_DELAY && delays[0] <= SHORTEST_DELAY * 2, "{delays:?}");
        assert!(delays.iter().all(|delay| *delay <= LONGEST_DELAY * 2), "{delays:?}");
        assert!((8..25).contains(&delays.len()), "{delays:?}");
        assert!(outage.failed().is_none(), "it stays over its limit");
        outage.over();
        assert!(outage.failed().is_some_and(|delay| delay <= SHORTEST_DELAY * 2), "a new outage has a time of its own");
    }
}
