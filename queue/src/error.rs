use jobs::JobId;
use std::{io, path::PathBuf, time::Duration};

/// Why an operation of a queue failed. Addresses in it contain no password.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A job was published after the queue was closed.
    #[error("cannot publish job {job}: the queue is closed")]
    Closed {
        /// The job that was not published.
        job: JobId,
    },

    /// The delivery came over a connection that was lost.
    #[error(
        "job {job} cannot be settled: the connection that delivered it was lost; the broker delivers the job again"
    )]
    Lapsed {
        /// The job.
        job: JobId,
    },

    /// The broker was unreachable for longer than the limit.
    #[error("RabbitMQ at `{address}` is out of reach, tried for {} s: {last}", tried.as_secs())]
    Unreachable {
        /// The broker.
        address: String,
        /// For how long.
        tried: Duration,
        /// Why the last attempt failed.
        last: String,
    },

    /// The task that publishes messages has ended: it panicked, or its runtime was shut down.
    #[error("no message can be published to RabbitMQ: the task that publishes has ended; start the process again")]
    SenderEnded,

    /// The broker does not know the user, or not with this password.
    #[error("RabbitMQ at `{address}` refused user `{user}` or the password: {reply}")]
    Credentials {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The broker's reply.
        reply: String,
    },

    /// The virtual host does not exist, or the user may not use it.
    #[error("RabbitMQ at `{address}` does not let user `{user}` into the virtual host `{vhost}`: {reply}")]
    VirtualHost {
        /// The broker.
        address: String,
        /// The user.
        user: String,
        /// The virtual host.
        vhost: String,
        /// The broker's reply.
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
        /// The broker's reply.
        reply: String,
    },

    /// A queue or exchange of that name exists with other arguments.
    #[error(
        "`{name}` at `{address}` exists, but not as Bowline declares it: {reply}; delete it if nothing in it is needed, or use another pool"
    )]
    OtherQueue {
        /// The broker.
        address: String,
        /// The queue or exchange.
        name: String,
        /// The broker's reply.
        reply: String,
    },

    /// The TLS connection failed.
    #[error("no TLS connection to RabbitMQ at `{address}`: {reason}")]
    Tls {
        /// The broker.
        address: String,
        /// The reply of the TLS library.
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
    /// Whether a worker can continue: the broker delivers the job again.
    ///
    /// It cannot past the outage limit. Then the process ends, and its supervisor starts a new one.
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
