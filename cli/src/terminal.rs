//! All that is printed goes through here: data to standard output, the rest to standard error.

use crate::{args::LogFormat, failure::Failure};
use console::{Term, truncate_str};
use std::{
    env,
    error::Error,
    fmt,
    io::{self, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use telemetry::{Format, Logs, Telling};

/// The first line of data that did not get out.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether what is said on standard error is said in JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

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
    match IS_JSON.load(Ordering::Relaxed) {
        true => tracing::info!("{text}"),
        false => drop(writeln!(io::stderr().lock(), "{text}")),
    }
}

/// Prints why a command ended early, cause by cause, and what to do.
pub(crate) fn error(failure: &Failure) {
    match IS_JSON.load(Ordering::Relaxed) {
        true => tracing::error!(hint = failure.hint(), exit_code = failure.exit_code(), "{}", in_one_line(failure)),
        false => note(Report(failure)),
    }
}

/// Sends logs to standard error: warnings, with `-v` what happens once per job, with `-vv` everything. A worker has no words of
/// its own for jobs, and nobody who sits before it: it tells of each job, with the time. Spans go to a collector where one is
/// named in OpenTelemetry's variables.
///
/// In JSON all that is said to people is an event, too: nothing else is written to standard error.
pub(crate) fn tell_on_stderr(verbose: u8, format: LogFormat, is_worker: bool) -> Result<Telling, Failure> {
    // What lapin says of broken connections, `queue` says as well, with what follows from it.
    let filter = match verbose {
        0 if is_worker => "warn,lapin=off,worker=info,queue=info",
        // The command tells of failed jobs in its own words.
        0 => "warn,lapin=off,worker=error",
        1 => "info,lapin=off",
        _ => "debug",
    };
    let (format, own) = match format {
        LogFormat::Lines => (Format::Lines, ""),
        LogFormat::Json => (Format::Json, ",bowline=info"),
    };
    IS_JSON.store(format == Format::Json, Ordering::Relaxed);
    let has_time = verbose > 0 || is_worker;
    let logs = Logs { filter: format!("{filter}{own}"), format, has_time, has_target: verbose > 1 };
    Ok(Telling::start(logs, collector(is_worker))?)
}

/// The name under which spans are sent, where somebody collects them.
#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn collector(is_worker: bool) -> Option<String> {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].into_iter().any(is_set) {
        return None;
    }
    let own = if is_worker { "bowline-worker" } else { "bowline" };
    Some(env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| own.to_owned()))
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
