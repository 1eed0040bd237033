//! All output goes through this module: data to standard output, everything else to standard error.

use crate::{
    args::{Colour, LogFormat},
    failure::{Failure, FileFailure},
};
use analysis::Style;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use console::{Term, truncate_str};
use parking_lot::Mutex;
use std::{
    env,
    error::Error,
    fmt,
    io::{self, IsTerminal, Write},
    panic,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};
use telemetry::{Format, Logs, TracingGuard};

/// The fewest columns that tables are fitted into.
const NARROWEST: usize = 40;

/// The first error of standard output.
static STDOUT_ERROR: Mutex<Option<io::Error>> = Mutex::new(None);

/// Whether notes are left out.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Whether text on standard output has styles; `None` until it is known.
static STYLE: OnceLock<Style> = OnceLock::new();

/// Whether standard error is written as JSON.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Prints one or more lines of data. An error is kept for [`check_stdout`].
///
/// Data may hold untrusted text, so control characters are escaped.
pub(crate) fn data(text: impl fmt::Display) {
    styled_data(jobs::escaped_lines(&text.to_string()));
}

/// Prints data with our own colours. Untrusted text in it must be escaped already.
pub(crate) fn styled_data(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    if let Err(error) = writeln!(out, "{text}").and_then(|()| out.flush()) {
        STDOUT_ERROR.lock().get_or_insert(error);
    }
}

/// Decides how text looks from here on.
pub(crate) fn set_look(colour: Colour, is_quiet: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
    let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_styled = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => io::stdout().is_terminal() && !is_refused,
    };
    if colour != Colour::Auto {
        console::set_colors_enabled(is_styled);
        console::set_colors_enabled_stderr(is_styled);
    }
    STYLE.get_or_init(|| if is_styled { Style::Terminal } else { Style::Plain });
}

/// How tables look on standard output.
pub(crate) fn style() -> Style {
    *STYLE.get_or_init(|| Style::Plain)
}

/// The columns that tables have on standard output.
pub(crate) fn width() -> usize {
    let terminal = Term::stdout();
    if terminal.is_term() { usize::from(terminal.size().1).clamp(NARROWEST, analysis::WIDTH) } else { analysis::WIDTH }
}

/// Whether only warnings and errors are printed.
pub(crate) fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// A block of data. On a terminal the next block replaces it; elsewhere it follows.
#[derive(Debug, Default)]
pub(crate) struct Block {
    lines: usize,
}

impl Block {
    /// Prints `text` in place of the last block, cut to the size of the terminal.
    pub(crate) fn show(&mut self, text: &str) {
        let terminal = Term::stdout();
        if !terminal.is_term() {
            return data(text);
        }
        let (rows, columns) = terminal.size();
        let room = usize::from(rows).saturating_sub(1).max(1);
        let text = jobs::escaped_lines(text);
        let lines: Vec<_> = text.lines().take(room).map(|line| truncate_str(line, columns.into(), "…")).collect();
        // Moves the cursor to the first line of the last block, and clears everything below.
        let up = if self.lines > 0 { format!("\x1b[{}F\x1b[0J", self.lines) } else { String::new() };
        styled_data(format_args!("{up}{}", lines.join("\n")));
        self.lines = lines.len();
    }
}

/// Whether standard output has failed, most likely because its reader is gone. Commands that print for ever end then.
pub(crate) fn is_stdout_closed() -> bool {
    STDOUT_ERROR.lock().is_some()
}

/// Fails if data could not be printed. A closed pipe (`bowline … | head`) is no failure: its reader has what it wanted.
pub(crate) fn check_stdout() -> Result<(), Failure> {
    match STDOUT_ERROR.lock().take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::File(FileFailure::Stdout(error))),
        Some(_) | None => Ok(()),
    }
}

/// Prints one or more lines for a person. Credentials are removed and control characters are escaped.
pub(crate) fn note(text: impl fmt::Display) {
    let text = text.to_string();
    if is_quiet() && !["warning:", "error:"].iter().any(|begin| text.starts_with(begin)) {
        return;
    }
    let text = jobs::without_credentials(&text);
    if is_json() {
        tracing::info!("{text}")
    } else {
        drop(writeln!(io::stderr().lock(), "{}", jobs::escaped_lines(&text)))
    }
}

/// Prints notes on the user's input, each in a line.
pub(crate) fn notes(notes: impl IntoIterator<Item = String>) {
    notes.into_iter().for_each(|text| note(format_args!("note: {text}")));
}

/// Asks a question and returns the answer; `None` without a terminal.
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

/// Prints why a command failed, with all causes and a hint.
pub(crate) fn error(failure: &Failure) {
    if is_json() {
        tracing::error!(hint = failure.hint(), exit_code = failure.exit_code(), "{}", jobs::error_line(failure))
    } else {
        note(FailureText(failure))
    }
}

/// The kind of command, which decides what is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A worker runs unattended: it logs each job with the time.
    Worker,
    /// A run reports jobs itself.
    Run,
    /// Any other command is short, and its spans are not exported.
    Other,
}

/// Sends logs to standard error: warnings, with `-v` one event per job, with `-vv` everything. Spans of workers and
/// runs go to a collector if OpenTelemetry's variables name one.
///
/// With JSON, messages for people and panics are events as well.
pub(crate) fn init_logging(verbose: u8, format: LogFormat, role: Role) -> Result<TracingGuard, Failure> {
    // `queue` reports lapin's broken connections, and `inputs` errors of the hub's client, each with its consequences.
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
    let guard = TracingGuard::start(logs, collector(role))?;
    IS_JSON.store(is_json, Ordering::Relaxed);
    if is_json {
        panic::set_hook(Box::new(|info| {
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(place, "{}", info.payload_as_str().unwrap_or("a panic without a message"));
        }));
    }
    Ok(guard)
}

/// Whether standard error is written as JSON.
pub(crate) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// The service name of exported spans; `None` if no collector is configured.
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

/// A failure with all its causes and a hint, for people.
struct FailureText<'a>(&'a Failure);

/// A message of one or more lines. Further lines are indented, so that none looks like a message of its own.
fn block(error: &dyn Error) -> String {
    let text = error.to_string();
    jobs::escaped_lines(&jobs::without_credentials(&text)).replace('\n', "\n    ")
}

impl fmt::Display for FailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", block(self.0))?;
        jobs::causes(self.0).try_for_each(|cause| write!(f, "\n  caused by: {}", block(cause)))?;
        self.0.hint().map_or(Ok(()), |hint| write!(f, "\n\nhint: {hint}"))
    }
}

/// Prints the help or the usage error, and returns the exit code.
///
/// Usage errors repeat the arguments. If they hold credentials, these are removed, and colours with them.
pub(crate) fn usage(error: &clap::Error) -> u8 {
    let text = error.render().to_string();
    let shown = jobs::without_credentials(&text);
    // A closed pipe is no failure.
    _ = if shown == text {
        error.print()
    } else if error.use_stderr() {
        write!(io::stderr().lock(), "{shown}")
    } else {
        write!(io::stdout().lock(), "{shown}")
    };
    if let Some(argument) = bare_override(error, &shown) {
        note(format_args!("\nhint: a key of the sweep file is overridden with `-o`: `-o {argument}`"));
    }
    u8::try_from(error.exit_code()).unwrap_or(2)
}

/// The argument that is an override as Hydra takes them, without an option before it, of a command that takes a sweep file.
fn bare_override(error: &clap::Error, shown: &str) -> Option<String> {
    let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg) else { return None };
    let (key, _) = argument.split_once('=')?;
    let is_key = !key.is_empty()
        && !key.starts_with('-')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "._[]-".contains(c));
    let is_override = is_key && error.kind() == ErrorKind::UnknownArgument && shown.contains("<SWEEP.yaml>");
    let shown = jobs::escaped(argument);
    let is_plain = shown.chars().all(|c| c.is_ascii_alphanumeric() || "._[]-=/:,+".contains(c));
    is_override.then(|| if is_plain { shown.into_owned() } else { format!("'{}'", shown.replace('\'', "'\\''")) })
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
        assert_eq!(block(&Wrong), "`https://host/x` says \\u001b[2J\n    error: forged");
    }
}
