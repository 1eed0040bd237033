use jobs::JobId;
use std::{io, path::PathBuf, time::Duration};

/// What goes wrong between a queue and its user. Addresses in it show no password.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A job was published after the queue was closed.
    #[error("cannot publish job {job}: the queue is closed")]
    Closed {
        /// The job that was not taken.
        job: JobId,
    },

    /// The delivery came over a connection that is gone.
    #[error(
        "job {job} came over a connection that was lost since, so that it cannot be settled; it comes back by itself"
    )]
    Lapsed {
        /// The job.
        job: JobId,
    },

    /// The broker was out of reach for longer than it may be.
    #[error("RabbitMQ at `{address}` is out of reach, tried for {} s: {last}", tried.as_secs())]
    Unreachable {
        /// The broker.
        address: String,
        /// For how long.
        tried: Duration,
        /// Why the last attempt failed.
        last: String,
    },

    /// The task that sends messages is gone: it panicked, or its runtime has ended.
    #[error("messages to RabbitMQ can be sent no more, for the task that sends them has ended; start again")]
    SenderEnded,

    /// The broker does not know the user, or not with this password.
    #[error("RabbitMQ at `{address}` refused user `{user}` or the password: {reply}")]
    Credentials {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The broker's words.
        reply: String,
    },

    /// There is no such virtual host, or it is closed to the user.
    #[error("RabbitMQ at `{address}` does not let user `{user}` into the virtual host `{vhost}`: {reply}")]
    VirtualHost {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's words.
        reply: String,
    },

    /// The user may not use a queue or exchange.
    #[error(
        "user `{user}` lacks a permission on `{name}` at `{address}`: {reply}; `rabbitmqctl set_permissions` grants it"
    )]
    Permission {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        reply: String,
    },

    /// A queue or exchange of that name exists and is another one.
    #[error(
        "`{name}` at `{address}` exists, but not as Bowline declares it: {reply}; delete it if nothing in it is needed, or use another pool"
    )]
    OtherQueue {
        /// The broker.
        address: String,
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        reply: String,
    },

    /// No encrypted connection came about.
    #[error("no TLS connection to RabbitMQ at `{address}`: {reason}")]
    Tls {
        /// The broker.
        address: String,
        /// What the TLS library says.
        reason: String,
    },

    /// The file of certificates cannot be used.
    #[error("cannot use the certificates in `{}`", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl QueueError {
    /// Whether whoever sees it can go on: the job comes back by itself.
    ///
    /// Not past the outage limit: a broker that stayed away for so long ends the process, whose supervisor starts it
    /// again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Lapsed { .. } => true,
            Self::Closed { .. }
            | Self::Unreachable { .. }
            | Self::SenderEnded
            | Self::Credentials { .. }
            | Self::VirtualHost { .. }
            | Self::Permission { .. }
            | Self::OtherQueue { .. }
            | Self::Tls { .. }
            | Self::CaFile { .. } => false,
        }
    }
}
