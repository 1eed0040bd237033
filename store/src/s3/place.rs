use crate::Key;
use std::{fmt, str::FromStr};

/// A place in S3: a bucket, and the prefix below which everything lies there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Place {
    bucket: String,
    prefix: Option<Key>,
}

/// A text that names no place in S3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a place in S3: {problem}; write `s3://bucket` or `s3://bucket/prefix`", text.escape_debug())]
pub struct S3PlaceError {
    /// The text, without a password that may be in it.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// What such a place begins with.
const SCHEME: &str = "s3://";

impl S3Place {
    /// Takes `s3://bucket/prefix` apart; the prefix may be missing.
    ///
    /// # Errors
    /// The text begins otherwise, names no bucket, or has a prefix that cannot be a [`Key`].
    pub fn parse(text: &str) -> Result<Self, S3PlaceError> {
        let refuse = |problem| S3PlaceError { text: jobs::without_credentials(text).into_owned(), problem };
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| refuse("it does not begin with `s3://`"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(bucket, prefix).map_err(|error| refuse(error.problem))
    }

    /// The place below `prefix` in `bucket`; slashes at the end of the prefix do not count, and it may be empty.
    ///
    /// # Errors
    /// The name of the bucket is empty or holds what no bucket's name holds; the prefix cannot be a [`Key`].
    pub fn new(bucket: &str, prefix: &str) -> Result<Self, S3PlaceError> {
        let text = format!("{SCHEME}{bucket}/{prefix}");
        let refuse = |problem| S3PlaceError { text: jobs::without_credentials(&text).into_owned(), problem };
        // Servers differ in what they take; this is what all of them take in an URL.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if bucket.is_empty() {
            return Err(refuse("it names no bucket"));
        }
        if !bucket.chars().all(is_name) {
            return Err(refuse("the name of a bucket has letters, digits, `-`, `.` and `_` only"));
        }
        let prefix = prefix.trim_end_matches('/');
        let prefix = (!prefix.is_empty()).then(|| Key::new(prefix)).transpose();
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.map_err(|error| refuse(error.problem))? })
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What all keys here begin with, without the slash after it; empty if they lie at the top of the bucket.
    pub fn prefix(&self) -> &str {
        self.prefix.as_ref().map_or("", Key::as_str)
    }

    /// The name in the bucket of what is `name` here.
    pub(super) fn full(&self, name: &str) -> String {
        self.prefix.as_ref().map_or_else(|| name.to_owned(), |prefix| format!("{prefix}/{name}"))
    }

    /// What is called `full` in the bucket, as it is called here; `None` if it lies elsewhere.
    pub(super) fn relative<'a>(&self, full: &'a str) -> Option<&'a str> {
        match &self.prefix {
            None => Some(full),
            Some(prefix) => full.strip_prefix(prefix.as_str())?.strip_prefix('/'),
        }
    }

    /// The URL of what is `name` here.
    pub(super) fn url(&self, name: &str) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.full(name))
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.bucket)?;
        self.prefix.as_ref().map_or(Ok(()), |prefix| write!(f, "/{prefix}"))
    }
}

impl FromStr for S3Place {
    type Err = S3PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_from_its_url() {
        for text in ["s3://bucket", "s3://bucket/prefix", "s3://my.bucket-1/a/b c/d"] {
            assert_eq!(S3Place::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(S3Place::parse("s3://bucket/a/").unwrap(), S3Place::new("bucket", "a").unwrap());
        assert_eq!(S3Place::parse("s3://bucket/").unwrap(), S3Place::new("bucket", "").unwrap());
    }

    #[test]
    fn names_are_joined_to_the_prefix_and_taken_from_it() {
        let with = S3Place::new("b", "p/q").unwrap();
        let without = S3Place::new("b", "").unwrap();
        assert_eq!((with.full("x"), without.full("x")), ("p/q/x".to_owned(), "x".to_owned()));
        assert_eq!((with.relative("p/q/x"), without.relative("p/q/x")), (Some("x"), Some("p/q/x")));
        assert_eq!((with.relative("p/qx"), with.relative("x")), (None, None));
        assert_eq!(with.url("x"), "s3://b/p/q/x");
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_to_write() {
        let say = |text: &str| S3Place::parse(text).unwrap_err().to_string();
        let end = "; write `s3://bucket` or `s3://bucket/prefix`";
        assert_eq!(say("/tmp"), format!("`/tmp` is not a place in S3: it does not begin with `s3://`{end}"));
        assert_eq!(say("s3:///x"), format!("`s3:///x` is not a place in S3: it names no bucket{end}"));
        assert_eq!(say("s3://b//x"), format!("`s3://b//x` is not a place in S3: a part between slashes is empty{end}"));
        assert!(say("s3://us er/x").contains("letters, digits"));
        assert!(say("s3://b/../x").contains("begins with a dot"));
        for text in ["s3://KEY:hush@b/x", "s3://KEY:hu/hush@b"] {
            let said = say(text);
            assert!(said.starts_with("`s3://b") && !said.contains("hush"), "{said}");
        }
    }
}
