//! A process that goes on while a test looks at what it says.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

/// How long something that must happen may take on a machine that does much else.
const TIME_LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Process {
    child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = gather(child.stdout.take().unwrap());
        let stderr = gather(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// Waits until it has said that on standard error, and gives the line.
    pub(crate) fn says(&mut self, words: &str) -> String {
        self.until(words, |this| this.stderr.lock().unwrap().iter().find(|line| line.contains(words)).cloned())
    }

    /// Waits until it has printed a line with these words.
    pub(crate) fn prints(&mut self, words: &str) -> String {
        self.until(words, |this| this.stdout.lock().unwrap().iter().find(|line| line.contains(words)).cloned())
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: its exit code, `None` if a signal killed it.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let status = self.until("it ends", |this| this.child.try_wait().unwrap());
        status.code()
    }

    /// All that it has said on standard error.
    pub(crate) fn said(&self) -> String {
        self.stderr.lock().unwrap().join("\n")
    }

    /// Waits until something holds, or the process has ended. Whether it still runs.
    pub(crate) fn runs_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) -> bool {
        self.until(what, |this| {
            let is_running = this.is_running();
            (holds() || !is_running).then_some(is_running)
        })
    }

    fn until<T>(&mut self, what: &str, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(start.elapsed() < TIME_LIMIT, "`{what}` does not come: {}", self.said());
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(stream: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            kept.lock().unwrap().push(line);
        }
    });
    lines
}
