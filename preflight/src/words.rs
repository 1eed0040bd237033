//! Errors in words.

use std::{error::Error, iter::successors};

/// The causes of an error, the nearest first.
pub(crate) fn causes(error: &dyn Error) -> impl Iterator<Item = &dyn Error> {
    successors(error.source(), |cause| <dyn Error>::source(*cause))
}

/// An error and its causes in one line, escaped and without credentials.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let line = causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    jobs::escaped(&jobs::without_credentials(&line)).into_owned()
}
