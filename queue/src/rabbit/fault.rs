use super::settings::RabbitSettings;
use crate::error::QueueError;
use lapin::ErrorKind;
use std::io;

/// AMQP's `ACCESS_REFUSED`.
const ACCESS_REFUSED: u16 = 403;
/// AMQP's `NOT_FOUND`.
const NOT_FOUND: u16 = 404;
/// AMQP's `PRECONDITION_FAILED`.
const PRECONDITION_FAILED: u16 = 406;
/// AMQP's `NOT_ALLOWED`.
const NOT_ALLOWED: u16 = 530;

/// Why a request to the broker failed.
#[derive(Debug)]
pub(super) struct Fault {
    /// The reply of the broker or of the system.
    pub(super) reason: String,
    /// The error to report, if a person must change something and waiting does not help.
    pub(super) refusal: Option<QueueError>,
    /// The queue does not exist.
    pub(super) is_missing: bool,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), refusal: None, is_missing: false }
    }

    /// A fault while connecting.
    pub(super) fn connecting(error: &lapin::Error, settings: &RabbitSettings) -> Self {
        let reply = reply_text(error);
        let address = settings.address.to_string();
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

    /// A fault while declaring the queue or exchange `name`.
    pub(super) fn declaring(name: &str, error: &lapin::Error, settings: &RabbitSettings) -> Self {
        let reply = reply_text(error);
        let address = settings.address.to_string();
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
        Self { is_missing: code(&error) == Some(NOT_FOUND), ..Self::new(reply_text(&error)) }
    }
}

fn code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}

/// The broker's reply, which begins with the name of its code.
fn reply_text(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// rustls reports an invalid certificate, and a peer that does not use TLS, as invalid data.
fn is_tls(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::IOError(error) if error.kind() == io::ErrorKind::InvalidData)
}
