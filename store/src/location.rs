use crate::{S3Place, S3PlaceError};
use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

/// Where a store lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a folder of this machine or of a shared file system.
    Folder(PathBuf),
    /// In a bucket of S3.
    S3(S3Place),
}

/// A text that names no place for a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// It begins like the URL of something else.
    #[error("a store cannot lie at `{scheme}://…`; write a folder, or `s3://bucket/prefix`")]
    Scheme {
        /// What it begins with.
        scheme: String,
    },
    /// It begins like a place in S3 and is none.
    #[error(transparent)]
    S3(#[from] S3PlaceError),
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("s3", _)) => Ok(Self::S3(text.parse()?)),
            // The rest is not shown: URLs carry passwords.
            Some((scheme, _)) if !scheme.contains('/') => Err(LocationError::Scheme { scheme: scheme.to_owned() }),
            _ => text.parse::<PathBuf>().map(Self::Folder).map_err(|never: Infallible| match never {}),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::S3(place) => place.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_reads_back() {
        for text in ["results", "./a b", "/tmp/s3:/x", "s3://bucket/prefix", "s3://bucket"] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.to_string(), text);
            assert_eq!(matches!(location, Location::S3(_)), text.starts_with("s3://"), "{text}");
        }
    }

    #[test]
    fn another_scheme_is_refused_without_what_follows_it() {
        let said = "http://user:hush@host/x".parse::<Location>().unwrap_err().to_string();
        assert_eq!(said, "a store cannot lie at `http://…`; write a folder, or `s3://bucket/prefix`");
        assert!("s3://".parse::<Location>().unwrap_err().to_string().contains("it names no bucket"));
    }
}
