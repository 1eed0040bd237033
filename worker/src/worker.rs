mod attempt;
mod checkpoints;
mod decision;
mod facts;
mod finish;
mod handle;
mod job_loops;
mod legs;
mod lookup;
mod loop_state;
mod machine_history;
mod outputs;
mod rests;
mod settle;
mod slices;
mod startup;
mod unable;

use crate::{
    Compute, Machine, WorkerError, cancellations::Cancellations, heartbeat::Heartbeat, known_sweeps::KnownSweeps,
    limits::Limits, metrics::Metrics, queue_selector::QueueSelector,
};
use jobs::{JobId, StepsMade, WorkerState};
use loop_state::LoopState;
use parking_lot::Mutex;
use queue::JobConsumer;
use std::{
    collections::HashSet,
    convert::Infallible,
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use store::Store;
use tokio::time::timeout;
use tracing::Span;
use unable::Unable;

/// The longest time that a worker takes for its last write to the store.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a worker ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerEnd {
    /// The queue is closed and empty.
    QueueClosed,
    /// It received a shutdown signal.
    Stopped,
    /// No job arrived within [`Limits::idle`].
    Idle,
}

/// The health of a worker, for probes and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerHealth {
    /// What it is doing.
    pub state: WorkerState,
    /// Whether it is connected to its queue.
    pub is_connected: bool,
    /// How often the connection to the queue was opened again.
    pub reconnects: u64,
    /// The number of jobs that it lately left to workers of another version, or to workers that run commands.
    pub deferred: usize,
}

/// The loop between a queue and a store.
pub struct Worker {
    name: String,
    limits: Limits,
    queue: Arc<dyn JobConsumer>,
    /// The second consumer of the same queue, for jobs that are taken ahead.
    ahead: Option<Arc<dyn JobConsumer>>,
    /// Selects the queue of a sweep, if sweeps have queues of their own.
    queue_selector: Option<QueueSelector>,
    store: Store,
    compute: Arc<dyn Compute>,
    cancellations: Cancellations,
    sweeps: KnownSweeps,
    /// The coordinator runs in this process and uses the same store.
    shares_store: bool,
    heartbeat: Heartbeat,
    metrics: Metrics,
    /// Makes a span the child of a `traceparent`.
    follow_trace: Option<fn(&Span, &str)>,
    /// Why jobs were left to other workers: each reason is logged once.
    reasons_to_defer: Mutex<HashSet<Unable>>,
    /// Whether it runs commands of sweeps.
    allows_commands: bool,
    /// The machine of this worker, if it has a name that stays across restarts.
    machine: Option<Machine>,
    /// Jobs in a row that failed by this worker's own fault.
    own_faults: Mutex<HashSet<JobId>>,
    /// Whether the store may hold faults of this machine.
    may_have_faults: AtomicBool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).field("compute", &self.compute).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker called `name`, which appears in its results. Two workers that use one store at the same time need two
    /// names.
    pub fn new(name: String, queue: Arc<dyn JobConsumer>, store: Store, compute: Arc<dyn Compute>) -> Self {
        Self {
            limits: Limits::default(),
            queue,
            ahead: None,
            queue_selector: None,
            cancellations: Cancellations::new(store.clone()),
            sweeps: KnownSweeps::new(store.clone()),
            store,
            shares_store: false,
            heartbeat: Heartbeat::new(name.clone(), compute.device(), compute.versions()),
            name,
            compute,
            metrics: Metrics::default(),
            follow_trace: None,
            reasons_to_defer: Mutex::default(),
            allows_commands: false,
            machine: None,
            own_faults: Mutex::default(),
            may_have_faults: AtomicBool::new(false),
        }
    }

    /// The same worker with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same worker, which takes jobs that run a command of their sweep, or leaves them to other workers.
    #[must_use]
    pub fn allowing_commands(self, allows_commands: bool) -> Self {
        let queue_selector = self.queue_selector.map(|selector| selector.allowing_commands(allows_commands));
        let heartbeat = self.heartbeat.allowing_commands(allows_commands);
        Self { allows_commands, queue_selector, heartbeat, ..self }
    }

    /// The same worker, which takes jobs ahead from `queue`, a second consumer of the same queue.
    ///
    /// The worker then looks up the next job, and stores the last result, during a computation: while jobs take less than a
    /// second, or near the end of longer ones. The latency of a distant store then costs no time.
    #[must_use]
    pub fn looking_ahead(self, queue: Arc<dyn JobConsumer>) -> Self {
        Self { ahead: Some(queue), ..self }
    }

    /// The same worker, which serves all sweeps of `pool`, each with a queue of its own. It keeps up to `models` base
    /// models.
    #[must_use]
    pub fn serving(self, pool: impl Into<String>, models: usize) -> Self {
        let selector =
            QueueSelector::new(self.store.clone(), pool.into(), models).allowing_commands(self.allows_commands);
        Self { queue_selector: Some(selector), ..self }
    }

    /// Selects the queues from which jobs are taken, for as long as it is polled.
    async fn select_queues(&self) -> Infallible {
        match &self.queue_selector {
            Some(selector) => selector.run(&*self.queue, self.ahead.as_deref()).await,
            None => std::future::pending().await,
        }
    }

    /// The same worker on one of several machines. It tests its machine before it takes jobs, and a failure of the
    /// machine is not a failure of the job.
    #[must_use]
    pub fn on_machine(self, machine: Machine) -> Self {
        Self { heartbeat: self.heartbeat.on_machine(&machine), machine: Some(machine), ..self }
    }

    /// The same worker, which stores a heartbeat once per `interval` while it runs.
    #[must_use]
    pub fn with_heartbeat(self, interval: Duration) -> Self {
        Self { heartbeat: self.heartbeat.with_interval(interval), ..self }
    }

    /// The same worker, beside a coordinator that uses the same store. It does not check whether the store holds the
    /// sweep of a job: a sweep that is only evaluated is in no store.
    #[must_use]
    pub fn sharing_the_store(self) -> Self {
        Self { heartbeat: self.heartbeat.of_own_process(), shares_store: true, ..self }
    }

    /// The same worker, which counts in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same worker, whose spans continue the publisher's trace: `follow` makes a span the child of a `traceparent`.
    #[must_use]
    pub fn with_traces(self, follow: fn(&Span, &str)) -> Self {
        Self { follow_trace: Some(follow), ..self }
    }

    /// The health of the worker.
    pub fn health(&self) -> WorkerHealth {
        WorkerHealth {
            state: self.heartbeat.state(),
            is_connected: self.queue.is_connected(),
            reconnects: self.queue.reconnects(),
            deferred: self.queue.deferred_jobs().len(),
        }
    }

    /// How far the training has come that the worker computes; `None` while it computes none, and before the first step.
    pub fn steps_made(&self) -> Option<StepsMade> {
        self.heartbeat.steps_made()
    }

    /// Takes jobs until the queue is closed and empty, no job arrives in time, or a shutdown signal arrives.
    ///
    /// Once `drain` is done, the worker finishes its job and takes no other. Once `now` is done, it stops its job soon
    /// and returns it to the queue.
    ///
    /// # Errors
    /// The queue or the store is unreachable for longer than the limit, a computation does not stop, or jobs fail here
    /// that may succeed elsewhere. The job of the worker is returned if the queue is reachable; otherwise the queue
    /// returns it by itself.
    pub async fn run_until(
        &self,
        drain: impl Future<Output = ()> + Send,
        now: impl Future<Output = ()> + Send,
    ) -> Result<WorkerEnd, WorkerError> {
        tokio::pin!(drain, now);
        // Before the first heartbeat: other workers leave jobs to a live machine, and this one is not tested yet.
        let has_started = tokio::select! {
            biased;
            () = &mut now => false,
            () = &mut drain => false,
            started = self.start_up() => started.map(|()| true)?,
        };
        if !has_started {
            self.heartbeat.set_draining();
            return Ok(WorkerEnd::Stopped);
        }
        let end = tokio::select! {
            end = self.take_jobs(drain, now) => end,
            never = self.select_queues() => match never {},
            never = self.heartbeat.run(&self.store, || self.queue.deferred_jobs()) => match never {},
        };
        // Nothing depends on it, and a worker that stops must not wait for an unreachable store.
        let _ = timeout(LAST_WRITE_TIMEOUT, self.heartbeat.remove(&self.store)).await;
        end
    }

    /// Takes one job and settles it. Returns `false` if the queue is closed and empty.
    ///
    /// # Errors
    /// As [`run_until`](Self::run_until).
    pub async fn run_one(&self) -> Result<bool, WorkerError> {
        match self.queue.next().await? {
            Some(delivery) => {
                let state = LoopState::default();
                let device = state.device().await;
                self.handle(delivery, Some(device), &state).await.map(|_| true)
            }
            None => Ok(false),
        }
    }
}
