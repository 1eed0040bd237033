//! Runs a command within its limits.

use super::{CommandError, Variables, group::Group, live::LIVE, tail::Tail};
use jobs::CommandLimits;
use std::{
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The pause between two looks at a command: short at first, for there are short commands, and then longer.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// How often memory is looked at: that takes a walk over all processes.
const MEMORY_EVERY: Duration = Duration::from_millis(200);

/// How long the last output may take after all processes of the group have ended. A process that left the group may keep the
/// stream open for ever.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The exit code that asks for another attempt, `EX_TEMPFAIL` of `sysexits.h`.
const TRY_AGAIN: i32 = 75;

/// What is run, and where.
pub(crate) struct Process<'a> {
    pub(crate) argv: &'a [String],
    /// Its working folder.
    pub(crate) folder: &'a Path,
    pub(crate) variables: &'a Variables,
    pub(crate) limits: CommandLimits,
}

/// The command was ended because the job is not wanted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interrupted;

/// Why a command is not waited for any longer.
enum Stop {
    Ended,
    Interrupted,
    TimedOut(Duration),
    TooMuchMemory { found: u64, limit: u64 },
}

impl Process<'_> {
    /// Runs the command to its end, and returns the end of what it printed.
    ///
    /// All processes of its group are ended with it, whatever the reason.
    ///
    /// # Errors
    /// It cannot be started, takes more than it may, or ends with another code than 0. The inner result is
    /// [`Interrupted`] once `is_cancelled` says so.
    pub(crate) fn run(&self, is_cancelled: impl Fn() -> bool) -> Result<Result<String, Interrupted>, CommandError> {
        if self.limits.memory_bytes.is_some() && !cfg!(target_os = "linux") {
            return Err(CommandError::UnknownMemory);
        }
        let Some(child) = LIVE.start(|| self.start_group()) else { return Ok(Err(Interrupted)) };
        let (mut child, group) = child?;
        let tail = Tail::default();
        let out = child.stdout.take().map(|stream| tail.follow(stream));
        let errors = child.stderr.take().map(|stream| tail.follow(stream));
        let stop = self.wait(group, || is_cancelled() || LIVE.has_ended());
        group.end();
        LIVE.forget(group.leader());
        let status = child.wait().map_err(CommandError::Follow)?;
        let deadline = Instant::now() + LAST_OUTPUT;
        for stream in [out, errors].into_iter().flatten() {
            while !stream.is_finished() && Instant::now() < deadline {
                thread::sleep(FIRST_PAUSE);
            }
        }
        let tail = tail.in_words();
        match stop? {
            // It was ended with this process.
            Stop::Ended if LIVE.has_ended() => Ok(Err(Interrupted)),
            Stop::Ended => ended(status, tail).map(Ok),
            Stop::Interrupted => Ok(Err(Interrupted)),
            Stop::TimedOut(limit) => Err(CommandError::TimedOut { limit, tail }),
            Stop::TooMuchMemory { found, limit } => Err(CommandError::TooMuchMemory { found, limit, tail }),
        }
    }

    fn start_group(&self) -> Result<((Child, Group), i32), CommandError> {
        let child = self.start()?;
        let group = Group::led_by(child.id()).map_err(CommandError::Follow)?;
        Ok(((child, group), group.leader()))
    }

    fn start(&self) -> Result<Child, CommandError> {
        let Some((program, arguments)) = self.argv.split_first() else {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            return Err(CommandError::Start { program: String::new(), source });
        };
        // A relative path is one of a declared file. The standard library leaves open which folder it starts from.
        let path = if program.contains('/') { self.folder.join(program) } else { PathBuf::from(program) };
        let mut command = Command::new(path);
        command.args(arguments).current_dir(self.folder).env_clear().envs(self.variables.iter());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        end_with_this_thread(&mut command);
        command.spawn().map_err(|source| CommandError::Start { program: program.clone(), source })
    }

    fn wait(&self, group: Group, is_cancelled: impl Fn() -> bool) -> Result<Stop, CommandError> {
        let CommandLimits { timeout_s, memory_bytes } = self.limits;
        let limit = timeout_s.map(Duration::from_secs);
        let start = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut memory_at = start;
        loop {
            if group.has_ended().map_err(CommandError::Follow)? {
                return Ok(Stop::Ended);
            }
            if is_cancelled() {
                return Ok(Stop::Interrupted);
            }
            if let Some(limit) = limit.filter(|limit| start.elapsed() >= *limit) {
                return Ok(Stop::TimedOut(limit));
            }
            if let Some(limit) = memory_bytes.filter(|_| Instant::now() >= memory_at) {
                let found = group.memory().map_err(CommandError::Follow)?;
                if found > limit {
                    return Ok(Stop::TooMuchMemory { found, limit });
                }
                memory_at = Instant::now() + MEMORY_EVERY;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Lets the system end the command when the thread that starts it ends, as when this process is killed. Only the first process
/// of the group is ended in this way.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the standard library does not set what follows the end of a parent")]
fn end_with_this_thread(command: &mut Command) {
    // SAFETY: between fork and exec, the closure makes one call with numbers.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// Other systems know nothing like it.
#[cfg(not(target_os = "linux"))]
fn end_with_this_thread(_: &mut Command) {}

/// Reads how a command ended by itself.
fn ended(status: ExitStatus, tail: String) -> Result<String, CommandError> {
    match (status.code(), status.signal()) {
        (Some(0), _) => Ok(tail),
        (Some(TRY_AGAIN), _) => Err(CommandError::TryAgain { tail }),
        (Some(code), _) => Err(CommandError::Failed { code, tail }),
        (None, signal) => Err(CommandError::Signal { signal: signal.unwrap_or_default(), tail }),
    }
}

#[cfg(test)]
mod tests;
