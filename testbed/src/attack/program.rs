//! A process of a case: its output, its end, and the most memory that it took.

use super::ensure;
use crate::Failure;
use std::{
    fs::{self, File},
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// A running process. It never outlives its handle.
#[derive(Debug)]
pub(super) struct Running {
    name: String,
    child: Child,
    output: PathBuf,
    errors: PathBuf,
    peak_kib: u64,
}

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The name of its command.
    pub(super) name: String,
    /// Its exit code; `None` if a signal ended it.
    pub(super) code: Option<i32>,
    /// The signal that ended it.
    pub(super) signal: Option<i32>,
    /// Its standard output.
    pub(super) stdout: String,
    /// Its standard error.
    pub(super) stderr: String,
    /// The most resident memory that it took, in MiB.
    pub(super) peak_mib: u64,
}

/// The state of a process after its time limit.
#[derive(Debug)]
pub(super) enum Watched {
    /// It ended.
    Ended(Ended),
    /// It was still running.
    GoesOn {
        /// The most resident memory that it took, in MiB.
        peak_mib: u64,
    },
}

/// The time between two checks of a process.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How much of an output is shown with a failure.
const SHOWN: usize = 600;

impl Running {
    /// Starts `command`, with its output in files of `folder`.
    pub(super) fn start(name: &str, command: &mut Command, folder: &Path) -> io::Result<Self> {
        let output = folder.join(format!("{name}.out"));
        let errors = folder.join(format!("{name}.err"));
        command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(&errors)?);
        Ok(Self { name: name.to_owned(), child: command.spawn()?, output, errors, peak_kib: 0 })
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `HUP`.
    pub(super) fn signal(&self, signal: &str) -> Result<(), Failure> {
        // The process is not reaped before its end is noticed, so that the id is still its own.
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.id().to_string()]).status()?;
        ensure(sent.success(), || format!("{} had ended before it was sent {signal}", self.name))
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.look_at_memory();
        Ok(self.child.try_wait()?)
    }

    /// What it has written to standard error so far.
    pub(super) fn errors(&self) -> String {
        read(&self.errors)
    }

    /// Waits until `holds`; fails if it does not within `limit`, or the process ends before.
    pub(super) fn wait_until(&mut self, limit: Duration, mut holds: impl FnMut() -> bool) -> Result<(), Failure> {
        let start = Instant::now();
        while !holds() {
            if let Some(status) = self.ended()? {
                return Err(format!("{} ended too early with {status}: {}", self.name, tail(&self.errors())).into());
            }
            ensure(start.elapsed() < limit, || {
                format!("waited in vain for {} s beside {}", limit.as_secs(), self.name)
            })?;
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// Waits for its end. Fails, and kills it, if it does not end within `limit`.
    pub(super) fn finish(self, limit: Duration) -> Result<Ended, Failure> {
        let name = self.name.clone();
        match self.watch(limit)? {
            Watched::Ended(ended) => Ok(ended),
            Watched::GoesOn { peak_mib } => {
                Err(format!("{name} did not end within {} s; it took {peak_mib} MiB", limit.as_secs()).into())
            }
        }
    }

    /// Waits for its end, and kills it if it does not end within `limit`.
    pub(super) fn watch(mut self, limit: Duration) -> Result<Watched, Failure> {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.ended()? {
                return Ok(Watched::Ended(Ended {
                    name: self.name.clone(),
                    code: status.code(),
                    signal: status.signal(),
                    stdout: read(&self.output),
                    stderr: read(&self.errors),
                    peak_mib: self.peak_kib >> 10,
                }));
            }
            sleep(POLL_INTERVAL);
        }
        Ok(Watched::GoesOn { peak_mib: self.peak_kib >> 10 })
    }

    /// The system records the peak, so only growth after the last check is missed.
    fn look_at_memory(&mut self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        self.peak_kib = self.peak_kib.max(peak);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Fails unless it ended with this exit code and without a panic.
    pub(super) fn ends_with(&self, codes: &[i32]) -> Result<&Self, Failure> {
        let is_one = self.code.is_some_and(|code| codes.contains(&code));
        ensure(is_one && !self.stderr.contains("panicked"), || {
            let code = self.code;
            let signal = self.signal;
            format!("{} ended with {code:?}, signal {signal:?}, not {codes:?}: {}", self.name, tail(&self.stderr))
        })?;
        Ok(self)
    }

    /// Fails unless its standard output or standard error contains all of `words`.
    pub(super) fn says(&self, words: &[&str]) -> Result<&Self, Failure> {
        let said = |word: &&&str| self.stderr.contains(**word) || self.stdout.contains(**word);
        match words.iter().find(|word| !said(word)) {
            None => Ok(self),
            Some(word) => Err(format!("{} does not say `{word}`: {}", self.name, tail(&self.stderr)).into()),
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The end of a text.
fn tail(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(SHOWN))..]
}
