use std::{fmt, str::FromStr};

/// The name of an object: parts joined by `/`, the same in a folder and in a bucket.
///
/// A key leads out of no folder: it has no empty part and none that begins with a dot, which rules out `..`,
/// absolute paths, and the hidden files that backends keep for themselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// A text that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be a key of the store: {problem}", text.escape_debug())]
pub struct KeyError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// The longest key that S3 takes, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// The longest file name that common file systems take, in bytes.
const MAX_PART_BYTES: usize = 255;

impl Key {
    /// Takes `text` as a key.
    ///
    /// # Errors
    /// A part is empty, begins with a dot, is over 255 bytes or holds a backslash or control character; the key
    /// is over 1024 bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        match problem(&text) {
            None => Ok(Self(text)),
            Some(problem) => Err(KeyError { text, problem }),
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn problem(text: &str) -> Option<&'static str> {
    if text.len() > MAX_KEY_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    text.split('/').find_map(|part| match part {
        "" => Some("a part between slashes is empty"),
        _ if part.starts_with('.') => Some("a part begins with a dot"),
        _ if part.len() > MAX_PART_BYTES => Some("a part is longer than 255 bytes"),
        _ if part.contains(|c: char| c == '\\' || c.is_control()) => Some("it holds a backslash or control character"),
        _ => None,
    })
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_out_of_the_store_is_no_key() {
        for text in ["", "/etc/passwd", "a/../b", "..", "a//b", "a/", ".tmp/x", "a\\b", "a\nb"] {
            assert!(Key::new(text).is_err(), "{text:?}");
        }
        assert!(Key::new("x".repeat(256)).is_err());
        assert!(Key::new(["abc"; 400].join("/")).is_err());
        assert_eq!(Key::new("results/ab/ab12.json").unwrap().as_str(), "results/ab/ab12.json");
    }

    #[test]
    fn the_error_shows_the_key_on_one_line() {
        let error = Key::new("a\nb").unwrap_err();
        assert_eq!(
            error.to_string(),
            r"`a\nb` cannot be a key of the store: it holds a backslash or control character"
        );
    }
}
