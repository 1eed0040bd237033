//! All that is printed goes through here: data to standard output, the rest to standard error.

use crate::failure::Failure;
use console::{Term, truncate_str};
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

/// A block of data that is replaced by the next one on a terminal, and followed by it elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Block {
    lines: usize,
}

impl Block {
    /// Prints `text` in place of what was shown before, cut to what the terminal has room for.
    pub(crate) fn show(&mut self, text: &str) {
        let terminal = Term::stdout();
        if !terminal.is_term() {
            return data(text);
        }
        let (rows, columns) = terminal.size();
        let room = usize::from(rows).saturating_sub(1).max(1);
        let lines: Vec<_> = text.lines().take(room).map(|line| truncate_str(line, columns.into(), "…")).collect();
        // Up to the first line of the last block, and away with all below.
        let up = if self.lines > 0 { format!("\x1b[{}F\x1b[0J", self.lines) } else { String::new() };
        data(format_args!("{up}{}", lines.join("\n")));
        self.lines = lines.len();
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

/// Sends logs to standard error: warnings, with `-v` what happens once per job, with `-vv` everything. A service has no
/// words of its own for jobs, and nobody who sits before it: it tells of each job, with the time.
pub(crate) fn log_to_stderr(verbose: u8, is_service: bool) {
    // What lapin says of broken connections, `queue` says as well, with what follows from it.
    let filter = match verbose {
        0 if is_service => "warn,lapin=off,worker=info,queue=info",
        // The command tells of failed jobs in its own words.
        0 => "warn,lapin=off,worker=error",
        1 => "info,lapin=off",
        _ => "debug",
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(io::stderr)
        // A reader of our messages that goes away does not end what we do.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .with_target(verbose > 1);
    match verbose {
        0 if !is_service => logs.without_time().init(),
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
