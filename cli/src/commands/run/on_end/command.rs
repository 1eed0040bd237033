use super::Words;
use crate::{failure::Failure, terminal};
use std::{
    io,
    process::{Command, Stdio},
};

/// Runs `command` in a shell, with the end of the sweep in its environment. Its output goes to standard error, because
/// standard output holds data.
pub(super) fn run(command: &str, sweep: &str, ended: &Result<(), Failure>) {
    let Words { word, exit_code, message } = Words::of(ended);
    let status = Command::new("sh")
        .args(["-c", command])
        .env("BOWLINE_SWEEP", sweep)
        .env("BOWLINE_ENDED", word)
        .env("BOWLINE_EXIT_CODE", exit_code.to_string())
        .env("BOWLINE_MESSAGE", message)
        .stdin(Stdio::null())
        .stdout(Stdio::from(io::stderr()))
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => terminal::note(format_args!("warning: the command of `--on-end` ended with {status}")),
        Err(error) => terminal::note(format_args!("warning: the command of `--on-end` cannot be run: {error}")),
    }
}
