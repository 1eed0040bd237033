mod rules;
mod wire;

use crate::JobId;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where an input lies: on this machine, on the Hugging Face hub, or in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputRef {
    /// A folder or file; absolute once it left the sweep file's parser.
    Path(PathBuf),
    /// `hf://owner/name[@revision][/file or folder]`, or `hf://datasets/owner/name…`.
    Hub(HubRef),
    /// `s3://bucket/folder or file`.
    S3(S3Ref),
    /// What another job made: the files of its artefact, out of the store. No sweep file names one; plans do.
    Artefact(JobId),
}

/// A repository on the hub, or a file or folder in one.
///
/// Read from a message or a stored document, it passes the same rules as in a sweep file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "wire::WireHubRef")]
pub struct HubRef {
    /// Whether it is a model or a data set repository.
    pub kind: HubKind,
    /// `owner/name`.
    pub repository: String,
    /// A branch, tag or commit; `None` is the default branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// A file or folder inside the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// The kinds of repositories on the hub that hold inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HubKind {
    /// A model or an adapter.
    Model,
    /// A data set.
    Dataset,
}

/// A folder or file in an S3 bucket.
///
/// Read from a message or a stored document, it passes the same rules as in a sweep file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "wire::WireS3Ref")]
pub struct S3Ref {
    /// The bucket.
    pub bucket: String,
    /// The key of a file, or what the keys of a folder's files begin with before a slash; empty means the whole bucket.
    pub key: String,
}

/// A text that names no input. No variant repeats a password or a signature of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputRefError {
    /// Nothing was written.
    #[error("an input cannot be empty")]
    Empty,
    /// The scheme is none that inputs come from.
    #[error(
        "`{0}` has a scheme that inputs cannot come from; use a path, `hf://owner/name[@revision]` or `s3://bucket/key`"
    )]
    Scheme(String),
    /// A hub reference without owner and name.
    #[error("`{0}` does not name a repository; write `hf://owner/name[@revision]`")]
    Repository(String),
    /// A hub reference to a place in a repository that is no path.
    #[error(
        "`{0}` does not name a place in a repository; write `hf://owner/name/folder`, without `.`, `..` or empty parts"
    )]
    HubPath(String),
    /// An S3 reference without a bucket, or with a key that is no path.
    #[error("`{0}` does not name a place in a bucket; write `s3://bucket/folder`, without `.`, `..` or empty parts")]
    Bucket(String),
}

impl InputRef {
    /// Reads a reference as written in a sweep file; relative paths are taken from `folder`.
    ///
    /// `expected` decides what a hub reference without `datasets/` or `models/` means.
    ///
    /// # Errors
    /// An empty text, a scheme other than `hf://` and `s3://`, a hub reference without owner and name, an S3 reference
    /// without a bucket.
    pub fn parse(text: &str, folder: &Path, expected: HubKind) -> Result<Self, InputRefError> {
        if text.trim().is_empty() {
            return Err(InputRefError::Empty);
        }
        match text.split_once("://") {
            None => Ok(Self::Path(folder.join(text))),
            Some(("hf", rest)) => parse_hub(text, rest, expected).map(Self::Hub),
            Some(("s3", rest)) => parse_s3(rest).map(Self::S3).ok_or_else(|| InputRefError::Bucket(shown(text))),
            Some(_) => Err(InputRefError::Scheme(shown(text))),
        }
    }

    /// Its name for other people: a hub id, or the last part of a path. The full path may be private.
    pub fn short_name(&self) -> String {
        match self {
            Self::Hub(hub) => hub.repository.clone(),
            Self::S3(s3) => s3.key.rsplit('/').next().unwrap_or("").to_owned(),
            Self::Artefact(job) => job.short(),
            Self::Path(path) => path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        }
    }

    /// The folder or file, if it lies on this machine.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Hub(_) | Self::S3(_) | Self::Artefact(_) => None,
        }
    }
}

fn parse_hub(text: &str, rest: &str, expected: HubKind) -> Result<HubRef, InputRefError> {
    let (kind, rest) = match rest.split_once('/') {
        Some(("datasets", rest)) => (HubKind::Dataset, rest),
        Some(("models", rest)) => (HubKind::Model, rest),
        _ => (expected, rest),
    };
    let mut parts = rest.splitn(3, '/');
    let owner = parts.next().unwrap_or("");
    let name = parts.next().unwrap_or("");
    let path = parts.next();
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (name, None),
    };
    let hub = HubRef {
        kind,
        repository: format!("{owner}/{name}"),
        revision: revision.map(str::to_owned),
        path: path.filter(|path| !path.is_empty()).map(str::to_owned),
    };
    rules::check_hub(&hub, || shown(text))?;
    Ok(hub)
}

fn parse_s3(rest: &str) -> Option<S3Ref> {
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let key = key.strip_suffix('/').unwrap_or(key);
    let s3 = S3Ref { bucket: bucket.to_owned(), key: key.to_owned() };
    rules::is_s3(&s3).then_some(s3)
}

/// A URL without what may be secret in it: user and password before the host, and the query.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (place, _) = rest.split_once('?').unwrap_or((rest, ""));
    // Keys of S3 hold slashes, so that all before the last `@` may belong to one.
    let place = place.rsplit_once('@').filter(|(user, _)| user.contains(':')).map_or(place, |(_, place)| place);
    format!("{scheme}://{place}")
}

impl fmt::Display for InputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hub(hub) => write!(f, "{hub}"),
            Self::S3(s3) => write!(f, "{s3}"),
            Self::Artefact(job) => write!(f, "artefact of job {job}"),
        }
    }
}

impl fmt::Display for HubRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == HubKind::Dataset { "datasets/" } else { "" };
        write!(f, "hf://{kind}{}", self.repository)?;
        self.revision.iter().try_for_each(|revision| write!(f, "@{revision}"))?;
        self.path.iter().try_for_each(|path| write!(f, "/{path}"))
    }
}

impl fmt::Display for S3Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "s3://{}", self.bucket),
            key => write!(f, "s3://{}/{key}", self.bucket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<InputRef, InputRefError> {
        InputRef::parse(text, Path::new("/sweeps"), HubKind::Model)
    }

    #[test]
    fn paths_are_relative_to_the_sweep_file() {
        assert_eq!(parse("base").unwrap(), InputRef::Path("/sweeps/base".into()));
        assert_eq!(parse("/models/base").unwrap(), InputRef::Path("/models/base".into()));
    }

    #[test]
    fn hub_references_read_back_as_written() {
        for text in ["hf://owner/name", "hf://owner/name@abc123", "hf://datasets/o/n@main/sub/data.parquet"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn s3_references_read_back_as_written() {
        for text in ["s3://my-bucket/models/clip", "s3://b.c/one file.safetensors", "s3://bucket"] {
            let reference = parse(text).unwrap();
            assert_eq!(reference.to_string(), text);
            let wire = serde_json::to_string(&reference).unwrap();
            assert_eq!(serde_json::from_str::<InputRef>(&wire).unwrap(), reference, "{wire}");
        }
        let folder = S3Ref { bucket: "bucket".to_owned(), key: "data/mnist".to_owned() };
        assert_eq!(parse("s3://bucket/data/mnist/").unwrap(), InputRef::S3(folder), "a slash at the end says nothing");
        assert_eq!(parse("s3://bucket/").unwrap().to_string(), "s3://bucket");
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "hf://owner", "hf://../..", "hf://o/n@", "https://example.org/x", "hf://o/n/../../etc"] {
            assert!(parse(text).is_err(), "{text}");
        }
        for text in ["hf://o/n//etc/passwd", "hf://o/n/../../etc", "hf://o/n/a/./b", "hf://o/n/a//b", "hf://o/n/a\\b"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("without `.`, `..` or empty parts"), "{error}");
        }
        for text in ["s3://", "s3:///key", "s3://b/../c", "s3://b/./c", "s3://b//c", "s3://..", "s3://b:9000/c"] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("`s3://bucket/folder`"), "{error}");
        }
        let error = parse("gs://bucket/key").unwrap_err().to_string();
        assert!(error.contains("`hf://owner/name[@revision]` or `s3://bucket/key`"), "{error}");
    }

    #[test]
    fn secrets_in_a_refused_reference_are_not_repeated() {
        for (text, expected) in [
            ("s3://key:secret@bucket/models", "`s3://bucket/models`"),
            ("s3://key:sec/secret@bucket/models", "`s3://bucket/models`"),
            ("https://user:secret@host", "`https://host`"),
            ("https://bucket.example/x?X-Amz-Signature=secret", "`https://bucket.example/x`"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }
}
