use crate::{Failure, History, Process, Signal, args::Cluster};
use parking_lot::Mutex;
use std::{path::PathBuf, process::Command, time::Duration};
use tokio::time::sleep;

/// What the workers of a fleet are started with.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// The program `sim-worker`.
    pub program: PathBuf,
    /// The queue and the store.
    pub cluster: Cluster,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// The folder for their logs.
    pub logs: PathBuf,
    /// A folder that all workers share.
    pub scratch: PathBuf,
}

/// A fixed number of workers. Each that ends is replaced by one with a new name, as a cluster's scheduler does.
#[derive(Debug)]
pub struct WorkerFleet {
    spec: WorkerSpec,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    workers: Vec<Process>,
    history: History,
}

/// The limit on the address space of a worker.
const MEMORY_KIB: &str = "1048576";

/// The time between two checks for workers that ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The exit code of a worker whose job does not stop.
const STUCK_EXIT_CODE: i32 = 75;

impl WorkerFleet {
    /// Starts `workers` workers.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(spec: WorkerSpec, workers: usize) -> Result<Self, Failure> {
        let fleet = Self { spec, state: Mutex::default() };
        let mut state = fleet.state.lock();
        for _ in 0..workers {
            let worker = fleet.start_worker(&mut state)?;
            state.workers.push(worker);
        }
        drop(state);
        Ok(fleet)
    }

    /// Replaces workers that ended, for as long as it is polled.
    ///
    /// # Errors
    /// A worker cannot be started.
    pub async fn supervise(&self) -> Result<std::convert::Infallible, Failure> {
        loop {
            self.replace_ended()?;
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Sends a signal to one of the workers.
    pub fn signal(&self, worker: usize, signal: Signal) {
        let state = self.state.lock();
        if let Some(worker) = state.workers.get(worker % state.workers.len().max(1)) {
            worker.signal(signal);
        }
    }

    /// Sends a signal to all workers.
    pub fn signal_all(&self, signal: Signal) {
        self.state.lock().workers.iter().for_each(|worker| worker.signal(signal));
    }

    /// The process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.state.lock().workers.iter().map(Process::id).collect()
    }

    /// How the workers started and ended. None of them finishes before it is drained.
    pub fn history(&self) -> History {
        self.state.lock().history.clone()
    }

    /// Drains all workers within `limit`. Returns a message for each worker that did not end well.
    ///
    /// # Errors
    /// The system does not report how a process ended.
    pub async fn drain(self, limit: Duration) -> Result<Vec<String>, Failure> {
        self.signal_all(Signal::Term);
        let workers = std::mem::take(&mut self.state.lock().workers);
        let mut bad = Vec::new();
        for mut worker in workers {
            match worker.wait(limit).await? {
                // A job that was published twice may still run, and does not stop.
                Some(status) if status.success() || status.code() == Some(STUCK_EXIT_CODE) => {}
                Some(status) => bad.push(format!("worker {} ended with {status}", worker.id())),
                None => bad.push(format!("worker {} does not drain", worker.id())),
            }
        }
        Ok(bad)
    }

    fn replace_ended(&self) -> Result<(), Failure> {
        let mut state = self.state.lock();
        for index in 0..state.workers.len() {
            if let Some(status) = state.workers[index].ended()? {
                *state.history.ends.entry(status.to_string()).or_default() += 1;
                state.workers[index] = self.start_worker(&mut state)?;
            }
        }
        Ok(())
    }

    fn start_worker(&self, state: &mut State) -> Result<Process, Failure> {
        let WorkerSpec { program, cluster, arguments, logs, scratch } = &self.spec;
        state.history.started += 1;
        let name = format!("worker-{}", state.history.started);
        // The shell limits the address space and becomes the worker: a job that takes all memory ends this worker
        // alone.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0; ulimit -v \"$1\"; shift; exec \"$@\"", "sh", MEMORY_KIB]).arg(program);
        command.args(cluster.arguments()).args(arguments).args(["--name", &name]).arg("--scratch").arg(scratch);
        Ok(Process::start(&mut command, &logs.join(format!("{name}.log")))?)
    }
}
