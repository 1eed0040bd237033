//! All that is printed goes through here: data to standard output, the rest to standard error.

use crate::{
    args::LogFormat,
    failure::{Failure, FileFailure},
};
use console::{Term, truncate_str};
use std::{
    env,
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    panic,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use telemetry::{Format, Logs, TracingGuard};

/// The first line of data that did not get out.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether what is said on standard error is said in JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Prints a line of data, or several. One that does not get out is kept for [`delivered`].
///
/// Names and messages of others are in it: what would move a terminal's cursor is shown as an escape.
pub(crate) fn data(text: impl fmt::Display) {
    styled(jobs::escaped_lines(&text.to_string()));
}

/// Prints data with colours of our own, of which the text of others was made fit before.
pub(crate) fn styled(text: impl fmt::Display) {
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
        let text = jobs::escaped_lines(text);
        let lines: Vec<_> = text.lines().take(room).map(|line| truncate_str(line, columns.into(), "…")).collect();
        // Up to the first line of the last block, and away with all below.
        let up = if self.lines > 0 { format!("\x1b[{}F\x1b[0J", self.lines) } else { String::new() };
        styled(format_args!("{up}{}", lines.join("\n")));
        self.lines = lines.len();
    }
}

/// Whether data got lost, since nobody reads it any more perhaps: what would print on without end has nobody to print for.
pub(crate) fn is_reader_gone() -> bool {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Fails if data did not get out. A reader that went away (`bowline … | head`) is no failure: it has what it wanted.
pub(crate) fn delivered() -> Result<(), Failure> {
    match LOST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::File(FileFailure::Stdout(error))),
        _ => Ok(()),
    }
}

/// Prints a line for a person, or several. Text of others is shown as it is, and does nothing to the terminal.
pub(crate) fn note(text: impl fmt::Display) {
    let text = text.to_string();
    let text = jobs::without_credentials(&text);
    if is_json() {
        tracing::info!("{text}")
    } else {
        drop(writeln!(io::stderr().lock(), "{}", jobs::escaped_lines(&text)))
    }
}

/// Prints what a person should know of what they wrote, each in a line.
pub(crate) fn notes(notes: impl IntoIterator<Item = String>) {
    notes.into_iter().for_each(|text| note(format_args!("note: {text}")));
}

/// Asks a person, and gives back the answer; `None` if nobody sits there.
pub(crate) fn ask(question: impl fmt::Display) -> Option<String> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return None;
    }
    let mut err = io::stderr().lock();
    write!(err, "{}", jobs::escaped_lines(&question.to_string())).and_then(|()| err.flush()).ok()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).ok()?;
    Some(answer)
}

/// Prints why a command ended early, cause by cause, and what to do.
pub(crate) fn error(failure: &Failure) {
    if is_json() {
        tracing::error!(hint = failure.hint(), exit_code = failure.exit_code(), "{}", in_one_line(failure))
    } else {
        note(Report(failure))
    }
}

/// Who writes events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has no words of its own for jobs, and nobody sits before it: it tells of each job, with the time.
    Worker,
    /// It tells of jobs in its own words.
    Run,
    /// It is over in a moment, and its spans are of no interest.
    Other,
}

/// Sends logs to standard error: warnings, with `-v` what happens once per job, with `-vv` everything. Spans of workers and runs go
/// to a collector where one is named in OpenTelemetry's variables.
///
/// In JSON all that is said to people is an event, too, and so is a panic.
pub(crate) fn tell_on_stderr(verbose: u8, format: LogFormat, role: Role) -> Result<TracingGuard, Failure> {
    // What lapin says of broken connections, `queue` says as well, with what follows from it; as does `inputs` of the hub's client.
    let filter = match (verbose, format, role) {
        (0, LogFormat::Json, _) => "warn,lapin=off,hf_hub=off,bowline=info,coordinator=info,queue=info,worker=info",
        (0, LogFormat::Lines, Role::Worker) => "warn,lapin=off,hf_hub=off,worker=info,queue=info",
        (0, LogFormat::Lines, _) => "warn,lapin=off,hf_hub=off,worker=error",
        (1, ..) => "info,lapin=off",
        _ => "debug",
    };
    let has_time = verbose > 0 || role == Role::Worker;
    let is_json = format == LogFormat::Json;
    let format = if is_json { Format::Json } else { Format::Lines };
    let logs = Logs {
        filter: filter.to_owned(),
        format,
        has_time,
        has_target: verbose > 1,
        escape: jobs::escaped,
        conceal: jobs::without_credentials,
    };
    let telling = TracingGuard::start(logs, collector(role))?;
    IS_JSON.store(is_json, Ordering::Relaxed);
    if is_json {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "{}", info.payload_as_str().unwrap_or("a panic without words"));
        }));
    }
    Ok(telling)
}

/// Whether what is said on standard error is said in JSON.
pub(crate) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// The name under which spans are sent, where somebody collects them.
#[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
fn collector(role: Role) -> Option<String> {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let own = match role {
        Role::Worker => "bowline-worker",
        Role::Run => "bowline",
        Role::Other => return None,
    };
    let is_off = value("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || value("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let _endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| value("OTEL_EXPORTER_OTLP_ENDPOINT"))?;
    (!is_off).then(|| value("OTEL_SERVICE_NAME").unwrap_or_else(|| own.to_owned()))
}

struct Report<'a>(&'a Failure);

/// An error and its causes, in one line, without what should not be shown.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let line = causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    jobs::escaped(&jobs::without_credentials(&line)).into_owned()
}

/// A message that may have several lines; none of them begins as one of ours does.
fn block(error: &dyn Error) -> String {
    let text = error.to_string();
    jobs::escaped_lines(&jobs::without_credentials(&text)).replace('\n', "\n    ")
}

/// The causes of an error, the nearest first.
pub(crate) fn causes(error: &dyn Error) -> impl Iterator<Item = &dyn Error> {
    std::iter::successors(error.source(), |cause| <dyn Error>::source(*cause))
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", block(self.0))?;
        causes(self.0).try_for_each(|cause| write!(f, "\n  caused by: {}", block(cause)))?;
        self.0.hint().map_or(Ok(()), |hint| write!(f, "\n\nhint: {hint}"))
    }
}

/// Prints why the command line is not understood, or what was asked of it, and gives the exit code.
///
/// What was typed is repeated there, and an address may hold a password: then it is left out, and colours with it.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let shown = jobs::without_credentials(&text);
    // A reader that went away has what it wanted.
    _ = if shown == text {
        error.print()
    } else if error.use_stderr() {
        write!(io::stderr().lock(), "{shown}")
    } else {
        write!(io::stdout().lock(), "{shown}")
    };
    u8::try_from(error.exit_code()).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Wrong;

    impl fmt::Display for Wrong {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("`https://user:hush@host/x` says \u{1b}[2J\nerror: forged")
        }
    }

    impl Error for Wrong {}

    #[test]
    fn what_others_wrote_makes_no_line_and_moves_no_cursor_and_tells_no_secret() {
        assert_eq!(in_one_line(&Wrong), "`https://host/x` says \\u001b[2J\\nerror: forged");
        assert_eq!(block(&Wrong), "`https://host/x` says \\u001b[2J\n    error: forged");
    }
}
