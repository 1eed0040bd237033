//! What is done when a run ends: a command of the user's.

use crate::{
    failure::{Failure, RunFailure},
    terminal,
};
use std::{
    io,
    process::{Command, Stdio},
};

/// Runs `command` in a shell, with what became of the sweep in its environment. Its output goes to standard error, where it is in
/// nobody's way. A command that fails is warned of, and changes nothing.
pub(super) fn tell(command: &str, sweep: &str, ended: &Result<(), Failure>) {
    let (word, code, message) = match ended {
        Ok(()) => ("finished", 0, String::new()),
        Err(failure) => (word_of(failure), failure.exit_code(), terminal::in_one_line(failure)),
    };
    let told = Command::new("sh")
        .args(["-c", command])
        .env("BOWLINE_SWEEP", sweep)
        .env("BOWLINE_ENDED", word)
        .env("BOWLINE_EXIT_CODE", code.to_string())
        .env("BOWLINE_MESSAGE", message)
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()))
        .status();
    match told {
        Ok(status) if status.success() => {}
        Ok(status) => terminal::note(format_args!("warning: the command of `--on-end` ended with {status}")),
        Err(error) => terminal::note(format_args!("warning: the command of `--on-end` cannot be run: {error}")),
    }
}

fn word_of(failure: &Failure) -> &'static str {
    match failure {
        Failure::Run(RunFailure::Jobs { .. }) => "finished with failures",
        Failure::Run(RunFailure::Stopped(_) | RunFailure::TooManyFailures { .. }) => "stopped",
        Failure::Run(RunFailure::Cancelled) => "cancelled",
        Failure::Interrupted => "interrupted",
        _ => "failed",
    }
}
