//! All that is printed goes through here: data to standard output, the rest to standard error.

use crate::failure::Failure;
use std::{
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    sync::{Mutex, PoisonError},
};

/// The first line of data that did not get out.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of data. One that does not get out is kept for [`delivered`].
pub(crate) fn data(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Fails if data did not get out. A reader that went away (`bowline … | head`) is no failure: it has what it wanted.
pub(crate) fn delivered() -> Result<(), Failure> {
    match LOST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Stdout(error)),
        _ => Ok(()),
    }
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
    let filter = match verbose {
        // The command tells of failed jobs in its own words.
        0 => "warn,worker=error",
        1 => "info",
        _ => "debug",
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(verbose > 1);
    match verbose {
        0 => logs.without_time().init(),
        _ => logs.init(),
    }
}

struct Report<'a>(&'a Failure);

/// An error and its causes, in one line.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn causes(error: &dyn Error) -> impl Iterator<Item = &dyn Error> {
    std::iter::successors(error.source(), |cause| <dyn Error>::source(*cause))
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.0)?;
        causes(self.0).try_for_each(|cause| write!(f, "\n  caused by: {cause}"))?;
        self.0.hint().map_or(Ok(()), |hint| write!(f, "\n\nhint: {hint}"))
    }
}
