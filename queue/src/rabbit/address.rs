#[cfg(test)]
mod tests;

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use std::{borrow::Cow, fmt, str::FromStr};
use url::Url;

/// The heartbeat interval in seconds, unless the address contains another one.
///
/// RabbitMQ proposes 60. A connection that broke silently would then be noticed after two minutes.
const HEARTBEAT_SECONDS: u16 = 20;

/// The address of a broker, with user and virtual host.
///
/// `amqp://user:password@host:port/vhost`, or `amqps://` for TLS. Defaults are those of RabbitMQ: user and password
/// `guest`, port 5672 or 5671, virtual host `/`. Reserved characters are percent-encoded, such as `%2f` for a slash.
/// `heartbeat` (seconds), `connection_timeout` (milliseconds), `frame_max` and `channel_max` may follow as query.
///
/// Neither `Display` nor `Debug` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitAddress {
    uri: AMQPUri,
    shown: String,
}

/// Why an address is not valid. No variant contains the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not a URL.
    #[error(
        "the queue's address is not a URL ({reason}); write `amqp://user:password@host:port/vhost`, with reserved characters percent-encoded"
    )]
    NotAUrl {
        /// The reply of the parser.
        reason: url::ParseError,
    },
    /// A URL with another scheme.
    #[error("the queue's address begins with `{scheme}:`; RabbitMQ's begin with `amqp://`, or `amqps://` for TLS")]
    Scheme {
        /// The scheme found.
        scheme: String,
    },
    /// No host.
    #[error("the queue's address names no host; write `amqp://host` or `amqp://user:password@host:port/vhost`")]
    NoHost,
    /// The path does not name a virtual host.
    #[error("the queue's address names the virtual host `{path}`; {hint}")]
    VirtualHost {
        /// The path found.
        path: String,
        /// What to do.
        hint: &'static str,
    },
    /// A part is not UTF-8 after decoding.
    #[error("the {part} in the queue's address is not UTF-8 after percent-decoding")]
    NotUtf8 {
        /// Which part.
        part: &'static str,
    },
    /// An `@` after the host, most likely because user or password contain an unescaped reserved character. The text
    /// there may be a part of the password.
    #[error(
        "the queue's address has an `@` behind its host; percent-encode `/` as `%2f`, `?` as `%3f`, `#` as `%23` and `@` as `%40` in user, password and virtual host"
    )]
    StrayAt,
    /// A fragment, most likely from a `#` within the password.
    #[error("the queue's address has an unescaped `#`; write it as `%23`")]
    Fragment,
    /// An unknown query parameter.
    #[error(
        "the queue's address has the parameter `{key}`; known are `heartbeat`, `connection_timeout`, `frame_max` and `channel_max`"
    )]
    Parameter {
        /// The parameter.
        key: String,
    },
    /// A query parameter that is no number, or is too large.
    #[error("`{key}` in the queue's address is `{value}`, not a number that fits")]
    Value {
        /// The parameter.
        key: String,
        /// Its value.
        value: String,
    },
}

impl RabbitAddress {
    /// The host, without port.
    pub fn host(&self) -> &str {
        &self.uri.authority.host
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// The virtual host.
    pub fn vhost(&self) -> &str {
        &self.uri.vhost
    }

    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    pub(super) fn uri(&self) -> &AMQPUri {
        &self.uri
    }
}

impl FromStr for RabbitAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|reason| AddressError::NotAUrl { reason })?;
        let scheme = match url.scheme() {
            "amqp" => AMQPScheme::AMQP,
            "amqps" => AMQPScheme::AMQPS,
            scheme => return Err(AddressError::Scheme { scheme: scheme.to_owned() }),
        };
        if url.fragment().is_some() {
            return Err(AddressError::Fragment);
        }
        // Before any error quotes a part: `amqp://user:12/3@host` has the host `user` and the path `/3@host`.
        if url.path().contains('@') || url.query().is_some_and(|query| query.contains('@')) {
            return Err(AddressError::StrayAt);
        }
        // An IPv6 address has brackets in a URL, and none elsewhere.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(AddressError::NoHost)?;
        let host = decoded(host.trim_start_matches('[').trim_end_matches(']'), "host")?;
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        let username = if url.username().is_empty() { "guest".into() } else { decoded(url.username(), "user")? };
        let password = url.password().map_or(Ok("guest".to_owned()), |password| decoded(password, "password"))?;
        let vhost = vhost(url.path())?;
        let shown = shown(&url);
        let query = query(&url)?;
        let authority = AMQPAuthority { userinfo: AMQPUserInfo { username, password }, host, port };
        Ok(Self { uri: AMQPUri { scheme, authority, vhost, query }, shown })
    }
}

impl fmt::Display for RabbitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RabbitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RabbitAddress({self})")
    }
}

/// The address as written, without password and query.
fn shown(url: &Url) -> String {
    let mut shown = format!("{}://", url.scheme());
    if !url.username().is_empty() {
        shown += url.username();
        shown.push('@');
    }
    shown += url.host_str().unwrap_or_default();
    if let Some(port) = url.port() {
        shown += &format!(":{port}");
    }
    shown + url.path()
}

/// Without a path the virtual host is `/`. A single slash would be a virtual host with an empty name, which is never
/// meant.
fn vhost(path: &str) -> Result<String, AddressError> {
    let wrong = |hint| AddressError::VirtualHost { path: path.to_owned(), hint };
    match path.strip_prefix('/') {
        None => Ok("/".to_owned()),
        Some("") => Err(wrong("leave the slash out, or write `/%2f`, for the default one")),
        Some(name) if name.contains('/') => Err(wrong("write a slash within its name as `%2f`")),
        Some(name) => decoded(name, "virtual host"),
    }
}

fn query(url: &Url) -> Result<AMQPQueryString, AddressError> {
    let mut query = AMQPQueryString { heartbeat: Some(HEARTBEAT_SECONDS), ..AMQPQueryString::default() };
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "heartbeat" => query.heartbeat = Some(number(&key, &value)?),
            "connection_timeout" => query.connection_timeout = Some(number(&key, &value)?),
            "frame_max" => query.frame_max = Some(number(&key, &value)?),
            "channel_max" => query.channel_max = Some(number(&key, &value)?),
            _ => return Err(AddressError::Parameter { key: key.into_owned() }),
        }
    }
    Ok(query)
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T, AddressError> {
    value.parse().map_err(|_| AddressError::Value { key: key.to_owned(), value: value.to_owned() })
}

fn decoded(text: &str, part: &'static str) -> Result<String, AddressError> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(Cow::into_owned).map_err(|_| AddressError::NotUtf8 { part })
}
