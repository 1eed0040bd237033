use crate::{Dated, Key};
use async_trait::async_trait;
use futures_util::future::join_all;
use std::{error::Error, fmt, io, path::Path};

/// Objects under keys.
///
/// The contract, which the rules of the `testing` module check:
/// - An object is whole or absent: no reader sees a part of it, whenever its writer dies.
/// - What was written is read from then on by every process, and survives a crash of the machine.
/// - Of any number of [`put_if_absent`](Self::put_if_absent) and [`put_file_if_absent`](Self::put_file_if_absent) for
///   one key, exactly one creates it.
/// - A dropped call may or may not have taken place, as may one that failed with an error that
///   [is retryable](BackendError::is_retryable).
/// - No key is a folder of another key: `a/b` is not used beside `a`.
///
/// Callers decide by the [`Problem`] of an error. The rest of the error is for people.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Where the objects lie, for people: a path or an URL without secrets.
    fn place(&self) -> String;

    /// Reads an object; `None` if there is none, which is no error.
    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, BackendError>;

    /// Reads the objects under `keys`, in their order, each as [`get`](Self::get) does: one that cannot be read is an
    /// error of its own. Callers that read thousands call this with a few at a time: all are read at once, or by one
    /// thread, as is best for the backend.
    async fn get_many(&self, keys: &[Key]) -> Vec<Result<Option<Vec<u8>>, BackendError>> {
        join_all(keys.iter().map(|key| self.get(key))).await
    }

    /// Reads an object as [`get`](Self::get) does, and returns when it was written by the clock of the store, if that
    /// is known.
    async fn get_dated(&self, key: &Key) -> Result<Option<Dated<Vec<u8>>>, BackendError> {
        Ok(self.get(key).await?.map(|content| Dated { content, written: None }))
    }

    /// Writes an object unless there is one under the key.
    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, BackendError>;

    /// Writes an object, in place of the one that is there, if any: readers see the one or the other.
    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), BackendError>;

    /// The size of an object in bytes; `None` if there is none.
    async fn size(&self, key: &Key) -> Result<Option<u64>, BackendError>;

    /// Reads an object into the file `to`, in place of what is there, and gives its size; `None` if there is no object.
    ///
    /// The object is never in memory as a whole. After an error the file holds anything. What the object should hold
    /// is the caller's to check: a store does not know.
    async fn get_file(&self, key: &Key, to: &Path) -> Result<Option<u64>, BackendError>;

    /// Writes the content of the file `from` unless there is an object under the key.
    ///
    /// The content is never in memory as a whole, and may be read more than once: the file stays as it is meanwhile.
    async fn put_file_if_absent(&self, key: &Key, from: &Path) -> Result<Put, BackendError>;

    /// Writes the content of the file `from`, in place of the object that is there, if any; otherwise as
    /// [`put_file_if_absent`](Self::put_file_if_absent).
    async fn put_file(&self, key: &Key, from: &Path) -> Result<(), BackendError>;

    /// Begins to list the keys that start with `folder` and a slash, or all keys if `folder` is `None`.
    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn Listing>, BackendError>;

    /// Removes an object; that there is none is no error.
    async fn delete(&self, key: &Key) -> Result<(), BackendError>;

    /// Whether a refusal may be transient if the same operation was allowed before: the store asks another service for
    /// permissions, and credentials are renewed from time to time.
    fn refuses_for_now(&self) -> bool {
        false
    }
}

/// A listing under way, in pages so that a million keys are never in memory at once.
///
/// A key that exists during the whole listing is listed once. One that is created or deleted meanwhile may be listed or
/// not. There is no order.
///
/// After an error that [is retryable](BackendError::is_retryable) the next call continues where the listing failed, or
/// fails permanently. It leaves no key out.
#[async_trait]
pub trait Listing: fmt::Debug + Send {
    /// The next keys, at least one and about a thousand at most; `None` at the end.
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError>;
}

/// What became of a conditional write.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object was written.
    Created,
    /// There is an object under the key already; it stays as it is.
    Exists,
}

/// A failed operation of a backend.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{object}`{problem}")]
pub struct BackendError {
    /// What was to be done.
    pub action: Action,
    /// The file, folder or object it was to be done to.
    pub object: String,
    /// What kind of failure it is.
    pub problem: Problem,
    /// What the backend says.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a backend was doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Opening or creating the store itself.
    Open,
    /// Reading an object.
    Read,
    /// Writing an object.
    Write,
    /// Listing keys.
    List,
    /// Removing an object.
    Delete,
}

/// The kinds of failures, by what can be done about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// The store refuses; a person must give permission.
    Permission,
    /// The store is full; a person must make room.
    NoSpace,
    /// Out of reach, overloaded or interrupted: the same call may succeed later.
    Unavailable,
    /// Anything else.
    Other,
}

impl BackendError {
    /// An error of the operating system, sorted by its kind.
    pub fn from_io(action: Action, object: impl Into<String>, error: io::Error) -> Self {
        Self { action, object: object.into(), problem: Problem::of(error.kind()), source: Some(Box::new(error)) }
    }

    /// The kind of an error of the operating system.
    pub(crate) fn problem_of(error: &io::Error) -> Problem {
        Problem::of(error.kind())
    }

    /// Whether the same call may succeed later, without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        self.problem == Problem::Unavailable
    }
}

impl Problem {
    fn of(kind: io::ErrorKind) -> Self {
        use io::ErrorKind as Kind;
        match kind {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Self::Permission,
            Kind::StorageFull | Kind::QuotaExceeded => Self::NoSpace,
            kind if files::is_transient(kind) => Self::Unavailable,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open the store",
            Self::Read => "read",
            Self::Write => "write",
            Self::List => "list",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Permission => ": permission denied",
            Self::NoSpace => ": no space is left",
            Self::Unavailable => ": the store is out of reach for now",
            Self::Other => "",
        })
    }
}
