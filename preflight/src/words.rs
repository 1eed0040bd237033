//! Errors in words.

use std::error::Error;

/// An error and its causes in one line, escaped and without credentials.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    jobs::escaped(&jobs::without_credentials(&jobs::error_chain(error))).into_owned()
}
