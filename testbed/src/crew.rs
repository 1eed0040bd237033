use crate::{Failure, Process, Signal, args::Cluster};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// What kind of workers a crew is made of.
#[derive(Debug, Clone)]
pub struct WorkerSpec {
    /// The program `sim-worker`.
    pub program: PathBuf,
    /// Where their queue and store are.
    pub cluster: Cluster,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Where their logs go.
    pub logs: PathBuf,
    /// A folder that they share.
    pub scratch: PathBuf,
}

/// So many workers, each replaced by a new one, with a new name, when it ends: as a cluster's scheduler does.
#[derive(Debug)]
pub struct Crew {
    spec: WorkerSpec,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    workers: Vec<Process>,
    started: u32,
    /// How many ended in which way.
    ends: BTreeMap<String, u32>,
}

/// The address space of a worker.
const MEMORY_KIB: &str = "1048576";

/// How often a crew is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// The exit code of a worker whose job does not stop.
const HANGS: i32 = 75;

impl Crew {
    /// Starts so many workers.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(spec: WorkerSpec, workers: usize) -> Result<Self, Failure> {
        let crew = Self { spec, state: Mutex::default() };
        let mut state = crew.lock();
        for _ in 0..workers {
            let worker = crew.recruit(&mut state)?;
            state.workers.push(worker);
        }
        drop(state);
        Ok(crew)
    }

    /// Replaces workers that ended, for as long as it is polled.
    ///
    /// # Errors
    /// A worker cannot be started.
    pub async fn supervise(&self) -> Result<std::convert::Infallible, Failure> {
        loop {
            self.replace_ended()?;
            sleep(LOOK).await;
        }
    }

    /// Sends a signal to one of the workers.
    pub fn signal(&self, worker: usize, signal: Signal) {
        let state = self.lock();
        if let Some(worker) = state.workers.get(worker % state.workers.len().max(1)) {
            worker.signal(signal);
        }
    }

    /// Sends a signal to all workers.
    pub fn signal_all(&self, signal: Signal) {
        self.lock().workers.iter().for_each(|worker| worker.signal(signal));
    }

    /// The ids of the processes.
    pub fn pids(&self) -> Vec<u32> {
        self.lock().workers.iter().map(Process::id).collect()
    }

    /// How many workers were started, and how many ended in which way.
    pub fn history(&self) -> (u32, BTreeMap<String, u32>) {
        let state = self.lock();
        (state.started, state.ends.clone())
    }

    /// Asks all workers to drain, and says how those ended that did not do it well.
    ///
    /// # Errors
    /// The system does not tell how a process ended.
    pub async fn dismiss(self, limit: Duration) -> Result<Vec<String>, Failure> {
        self.signal_all(Signal::Term);
        let workers = std::mem::take(&mut self.lock().workers);
        let mut bad = Vec::new();
        for mut worker in workers {
            match worker.wait(limit).await? {
                // A doubled message may have left one at a job that does not stop.
                Some(status) if status.success() || status.code() == Some(HANGS) => {}
                Some(status) => bad.push(format!("worker {} ended with {status}", worker.id())),
                None => bad.push(format!("worker {} does not drain", worker.id())),
            }
        }
        Ok(bad)
    }

    fn replace_ended(&self) -> Result<(), Failure> {
        let mut state = self.lock();
        for index in 0..state.workers.len() {
            if let Some(status) = state.workers[index].ended()? {
                *state.ends.entry(status.to_string()).or_default() += 1;
                state.workers[index] = self.recruit(&mut state)?;
            }
        }
        Ok(())
    }

    fn recruit(&self, state: &mut State) -> Result<Process, Failure> {
        let WorkerSpec { program, cluster, arguments, logs, scratch } = &self.spec;
        state.started += 1;
        let name = format!("worker-{}", state.started);
        // The shell is replaced by the worker, whose address space is limited: a job that takes all of it ends it.
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c 0; ulimit -v \"$1\"; shift; exec \"$@\"", "sh", MEMORY_KIB]).arg(program);
        command.args(cluster.arguments()).args(arguments).args(["--name", &name]).arg("--scratch").arg(scratch);
        Ok(Process::start(&mut command, &logs.join(format!("{name}.log")))?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two steps of a change, so a poisoned state is a whole one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
