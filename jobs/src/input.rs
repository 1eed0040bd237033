use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where an input lies: a folder or file on this machine, or a repository on the Hugging Face hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum InputRef {
    /// A folder or file; absolute once it left the sweep file's parser.
    Path(PathBuf),
    /// `hf://owner/name[@revision][/file or folder]`, or `hf://datasets/owner/name…`.
    Hub(HubRef),
}

/// A repository on the hub, or a file or folder in one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubRef {
    /// Whether it is a model or a data set repository.
    pub kind: HubKind,
    /// `owner/name`.
    pub repository: String,
    /// A branch, tag or commit; `None` is the default branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// A file or folder inside the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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

/// A text that names no input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputRefError {
    /// Nothing was written.
    #[error("an input cannot be empty")]
    Empty,
    /// The scheme is none that inputs come from.
    #[error("`{0}` has a scheme that inputs cannot come from; use a path or `hf://owner/name[@revision]`")]
    Scheme(String),
    /// A hub reference without owner and name.
    #[error("`{0}` does not name a repository; write `hf://owner/name[@revision]`")]
    Repository(String),
}

impl InputRef {
    /// Reads a reference as written in a sweep file; relative paths are taken from `folder`.
    ///
    /// `expected` decides what a hub reference without `datasets/` or `models/` means.
    ///
    /// # Errors
    /// An empty text, a scheme other than `hf://`, a hub reference without owner and name.
    pub fn parse(text: &str, folder: &Path, expected: HubKind) -> Result<Self, InputRefError> {
        if text.trim().is_empty() {
            return Err(InputRefError::Empty);
        }
        match text.split_once("://") {
            None => Ok(Self::Path(folder.join(text))),
            Some(("hf", rest)) => parse_hub(text, rest, expected).map(Self::Hub),
            Some(_) => Err(InputRefError::Scheme(text.to_owned())),
        }
    }

    /// The folder or file, if it lies on this machine.
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Hub(_) => None,
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
    let (owner, name, path) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next());
    let (name, revision) = match name.split_once('@') {
        Some((name, revision)) => (name, Some(revision)),
        None => (name, None),
    };
    let is_word = |word: &str| {
        !word.is_empty() && word != ".." && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let climbs = path.is_some_and(|path| path.split('/').any(|part| part == ".."));
    if !is_word(owner) || !is_word(name) || revision.is_some_and(|revision| !is_word(revision)) || climbs {
        return Err(InputRefError::Repository(text.to_owned()));
    }
    Ok(HubRef {
        kind,
        repository: format!("{owner}/{name}"),
        revision: revision.map(str::to_owned),
        path: path.filter(|path| !path.is_empty()).map(str::to_owned),
    })
}

impl fmt::Display for InputRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Hub(hub) => write!(f, "{hub}"),
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
    fn what_names_nothing_is_refused() {
        for text in ["", "hf://owner", "hf://../..", "hf://o/n@", "https://example.org/x", "hf://o/n/../../etc"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
