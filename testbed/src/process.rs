use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{self, Read},
    path::Path,
    process::{self, Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End gracefully.
    Term,
    /// End at once.
    Kill,
}

impl Signal {
    fn flag(self) -> &'static str {
        match self {
            Self::Term => "-TERM",
            Self::Kill => "-KILL",
        }
    }
}

/// How the processes of one kind started and ended.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The number that were started.
    pub started: u32,
    /// The number that finished their work.
    pub finished: u32,
    /// The number that ended before, by exit status.
    pub ends: BTreeMap<String, u32>,
}

/// A process that never outlives its handle.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command`, with its output appended to the file `log`.
    ///
    /// # Errors
    /// The program cannot be started, or the log not be written.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        // The pipe stays open while the handle exists: see `end_with_parent`.
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn()? })
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal. A process that has ended is left alone.
    pub fn signal(&self, signal: Signal) {
        // The process is not reaped before its end is noticed, so that the id is still its own.
        let _ = Command::new("kill").args([signal.flag(), &self.child.id().to_string()]).stderr(Stdio::null()).status();
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not report it.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end; `None` if it does not end within `limit`.
    ///
    /// # Errors
    /// The system does not report it.
    pub async fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            match self.ended()? {
                None if start.elapsed() < limit => sleep(Duration::from_millis(20)).await,
                ended => return Ok(ended),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended and was reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends this process when its parent is gone: the standard input closes then.
pub fn end_with_parent() {
    thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = io::stdin().read_to_end(&mut rest);
        #[expect(clippy::exit, reason = "the parent is gone, so that an orderly end has no reader")]
        process::exit(70);
    });
}

/// Sends logs to standard error. Those of lapin are left out, since the queue reports broken connections as well.
pub fn log_to_stderr(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::new(format!("{filter},lapin=off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
}
