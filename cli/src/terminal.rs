//! All that is printed goes through here: data to standard output, the rest to standard error.

use crate::failure::Failure;
use std::{
    error::Error,
    fmt,
    io::{self, Write},
};

/// Prints a line of data.
///
/// A reader that went away (`bowline … | head`) is no error: there is nobody left to tell.
pub(crate) fn data(text: impl fmt::Display) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line for a person.
pub(crate) fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints why a command ended early, cause by cause, and what to do.
pub(crate) fn error(failure: &Failure) {
    note(Report(failure));
}

/// Sends logs to standard error: warnings, with `-v` what happens once per job, with `-vv` everything.
pub(crate) fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::new(level);
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(verbose > 1).init();
}

struct Report<'a>(&'a Failure);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        self.0.hint().map_or(Ok(()), |hint| write!(f, "\n\nhint: {hint}"))
    }
}
