use crate::{Failure, History, Process, Signal, args::Cluster, sim::SweepSpec};
use parking_lot::Mutex;
use std::{path::PathBuf, process::Command, time::Duration};
use tokio::time::sleep;

/// What the coordinators of a sweep are started with.
#[derive(Debug, Clone)]
pub struct CoordinatorSpec {
    /// The program `sim-coordinator`.
    pub program: PathBuf,
    /// The queue and the store.
    pub cluster: Cluster,
    /// The sweep.
    pub sweep: SweepSpec,
    /// Further arguments.
    pub arguments: Vec<String>,
    /// The folder for their logs.
    pub logs: PathBuf,
}

/// The coordinators of one sweep: one or two at a time. Each that ends before the sweep does is started again.
#[derive(Debug)]
pub struct Coordinators {
    spec: CoordinatorSpec,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Vec<Process>,
    /// Whether new coordinators repair corrupt results, as a user asks for after the first failure.
    repairs: bool,
    history: History,
}

/// The exit code of a coordinator that has met corrupt results.
pub const SOME_FAILED: i32 = 3;

/// The time between two checks for coordinators that ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

impl Coordinators {
    /// Starts one coordinator.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start(spec: CoordinatorSpec) -> Result<Self, Failure> {
        let coordinators = Self { spec, state: Mutex::default() };
        coordinators.add()?;
        Ok(coordinators)
    }

    /// Starts another coordinator in a folder of its own. It knows nothing of the others.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn add(&self) -> Result<(), Failure> {
        let mut state = self.state.lock();
        let coordinator = self.start_one(&mut state)?;
        state.running.push(coordinator);
        Ok(())
    }

    /// Replaces those that end early, until all have finished the sweep.
    ///
    /// # Errors
    /// A coordinator cannot be started.
    pub async fn finish(&self) -> Result<(), Failure> {
        while !self.replace_ended()? {
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    /// Starts another coordinator, which repairs corrupt results.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn add_repairing(&self) -> Result<(), Failure> {
        self.state.lock().repairs = true;
        self.add()
    }

    /// Kills one of them.
    pub fn kill(&self, which: usize) {
        let state = self.state.lock();
        if let Some(coordinator) = state.running.get(which % state.running.len().max(1)) {
            coordinator.signal(Signal::Kill);
        }
    }

    /// The process ids.
    pub fn pids(&self) -> Vec<u32> {
        self.state.lock().running.iter().map(Process::id).collect()
    }

    /// How the coordinators started and ended.
    pub fn history(&self) -> History {
        self.state.lock().history.clone()
    }

    /// Whether all have finished the sweep.
    fn replace_ended(&self) -> Result<bool, Failure> {
        let mut state = self.state.lock();
        let mut index = 0;
        while index < state.running.len() {
            match state.running[index].ended()? {
                None => index += 1,
                Some(status) if status.success() => {
                    state.history.finished += 1;
                    drop(state.running.remove(index));
                }
                Some(status) => {
                    state.repairs |= status.code() == Some(SOME_FAILED);
                    *state.history.ends.entry(status.to_string()).or_default() += 1;
                    state.running[index] = self.start_one(&mut state)?;
                    index += 1;
                }
            }
        }
        Ok(state.running.is_empty())
    }

    fn start_one(&self, state: &mut State) -> Result<Process, Failure> {
        let CoordinatorSpec { program, cluster, sweep, arguments, logs } = &self.spec;
        state.history.started += 1;
        let name = format!("{}-coordinator-{}", sweep.sweep, state.history.started);
        let folder = logs.join(&name);
        std::fs::create_dir_all(&folder)?;
        let mut command = Command::new(program);
        command.args(cluster.arguments()).args(sweep.arguments()).args(arguments).current_dir(folder);
        if state.repairs {
            command.arg("--repair");
        }
        Ok(Process::start(&mut command, &logs.join(format!("{name}.log")))?)
    }
}
