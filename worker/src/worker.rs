mod answer;
mod arrive;
mod attempt;
mod handle;
mod keep;
mod lanes;
mod others;
mod pace;

use crate::{
    Compute, Machine, WorkerError, cancelled::Cancellations, limits::Limits, metrics::Metrics, pulse::Pulse,
    sources::Sources, sweeps::Sweeps,
};
use jobs::{JobId, OtherSemantics, WorkerState};
use pace::Pace;
use queue::JobConsumer;
use std::{
    collections::HashSet,
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};
use store::Store;
use tokio::time::timeout;
use tracing::Span;

/// The longest that a worker takes to say that it has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// How a worker came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The queue was closed and holds nothing more.
    QueueClosed,
    /// It was told to stop.
    Stopped,
    /// No job came for as long as [`Limits::idle`].
    Idle,
}

/// How a worker is, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vitals {
    /// What it is doing.
    pub state: WorkerState,
    /// Whether jobs can arrive: it is registered with its queue.
    pub is_in_reach: bool,
    /// How often the way to the queue was opened anew.
    pub reconnects: u64,
    /// Jobs that it lately left to workers of another version.
    pub left: usize,
}

/// The loop between a queue and a store.
pub struct Worker {
    name: String,
    limits: Limits,
    queue: Arc<dyn JobConsumer>,
    /// Where a job is taken from beside the one that computes.
    ahead: Option<Arc<dyn JobConsumer>>,
    /// Which sweeps jobs are taken of, where the queue has several.
    sources: Option<Sources>,
    store: Store,
    compute: Arc<dyn Compute>,
    cancellations: Cancellations,
    sweeps: Sweeps,
    /// The coordinator is in this process and has the same store.
    shares_store: bool,
    pulse: Pulse,
    metrics: Metrics,
    /// Makes a span go on where a `traceparent` says.
    follow_trace: Option<fn(&Span, &str)>,
    /// What jobs of other versions came by: each kind is told of once.
    others: Mutex<HashSet<OtherSemantics>>,
    /// What is known of this worker across restarts, where it has a name for that.
    machine: Option<Machine>,
    /// Jobs in a row that failed by this worker's own fault.
    own_faults: Mutex<HashSet<JobId>>,
    /// Whether the store may hold faults of this machine.
    has_record: AtomicBool,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).field("compute", &self.compute).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker called `name`, which shows in its results. Two workers of one store at the same time have two names.
    pub fn new(name: String, queue: Arc<dyn JobConsumer>, store: Store, compute: Arc<dyn Compute>) -> Self {
        let pulse = Pulse::new(name.clone(), compute.device(), compute.versions());
        let (cancellations, sweeps) = (Cancellations::new(store.clone()), Sweeps::new(store.clone()));
        Self {
            name,
            limits: Limits::default(),
            queue,
            ahead: None,
            sources: None,
            store,
            compute,
            cancellations,
            sweeps,
            shares_store: false,
            pulse,
            metrics: Metrics::default(),
            follow_trace: None,
            others: Mutex::default(),
            machine: None,
            own_faults: Mutex::default(),
            has_record: AtomicBool::new(false),
        }
    }

    /// The same worker with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same worker, which takes a second job from `queue`, another end of the same queue, while it computes one, as long as
    /// jobs take less than a second: it looks that one up, and stores the last result, beside the computation. A store far away
    /// then costs such jobs no time.
    #[must_use]
    pub fn looking_ahead(self, queue: Arc<dyn JobConsumer>) -> Self {
        Self { ahead: Some(queue), ..self }
    }

    /// The same worker, which takes jobs of all sweeps of `pool` in turn: each has a queue of its own. It holds so many base
    /// models at a time.
    #[must_use]
    pub fn serving(self, pool: impl Into<String>, models: usize) -> Self {
        let sources = Sources::new(self.store.clone(), pool.into(), models);
        Self { sources: Some(sources), ..self }
    }

    /// Chooses the queues that jobs are taken from, for as long as it is polled.
    async fn choose_sources(&self) -> Infallible {
        match &self.sources {
            Some(sources) => sources.follow(&*self.queue, self.ahead.as_deref()).await,
            None => std::future::pending().await,
        }
    }

    /// The same worker, of a machine that others may do better than: it proves itself before it takes jobs, and a failure that
    /// lies with a machine is laid at this one's door and not at the job's.
    #[must_use]
    pub fn on_machine(self, machine: Machine) -> Self {
        Self { pulse: self.pulse.of_machine(&machine), machine: Some(machine), ..self }
    }

    /// The same worker, which tells the store of itself so often while it runs.
    #[must_use]
    pub fn with_heartbeat(self, every: Duration) -> Self {
        Self { pulse: self.pulse.every(every), ..self }
    }

    /// The same worker, beside a coordinator that has the same store: it doesn't look whether the store holds the sweep of a
    /// job. One that is evaluated and not kept is in no store.
    #[must_use]
    pub fn sharing_the_store(self) -> Self {
        Self { pulse: self.pulse.of_own_process(), shares_store: true, ..self }
    }

    /// The same worker, which counts in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same worker, whose spans go on where the publisher's ended: `follow` makes a span the child of a `traceparent`.
    #[must_use]
    pub fn with_traces(self, follow: fn(&Span, &str)) -> Self {
        Self { follow_trace: Some(follow), ..self }
    }

    /// How the worker is.
    pub fn vitals(&self) -> Vitals {
        Vitals {
            state: self.pulse.state(),
            is_in_reach: self.queue.is_connected(),
            reconnects: self.queue.reconnects(),
            left: self.queue.deferred_jobs().len(),
        }
    }

    /// Takes jobs until the queue is closed and empty, no job comes for too long, or it is told to end: once `drain` is
    /// done the job in hand is finished and no other taken, once `now` is done the job in hand stops soon and goes back.
    ///
    /// # Errors
    /// The queue or the store is out of reach for longer than their limits, a job does not stop, or jobs fail here that need
    /// not fail elsewhere; the job in hand is given back where the queue takes it, and comes back by itself otherwise.
    pub async fn run_until(
        &self,
        drain: impl Future<Output = ()> + Send,
        now: impl Future<Output = ()> + Send,
    ) -> Result<Ended, WorkerError> {
        tokio::pin!(drain, now);
        // Before it tells of itself: who waits for a machine that can do a job does not wait for one that has yet to prove it.
        let has_arrived = tokio::select! {
            biased;
            () = &mut now => false,
            () = &mut drain => false,
            arrived = self.arrive() => arrived.map(|()| true)?,
        };
        if !has_arrived {
            self.pulse.drains();
            return Ok(Ended::Stopped);
        }
        let ended = tokio::select! {
            ended = self.take_jobs(drain, now) => ended,
            never = self.choose_sources() => match never {},
            never = self.pulse.beat(&self.store, || self.queue.deferred_jobs()) => match never {},
        };
        // Nothing relies on it, and a worker that is told to end should not wait for a store that is away.
        let _ = timeout(FAREWELL, self.pulse.end(&self.store)).await;
        ended
    }

    /// Takes one job and settles it; `false` when the queue is closed and empty.
    ///
    /// # Errors
    /// As [`run_until`](Self::run_until).
    pub async fn run_one(&self) -> Result<bool, WorkerError> {
        match self.queue.next().await? {
            Some(delivery) => {
                let pace = Pace::default();
                let device = pace.device().await;
                self.handle(delivery, Some(device), &pace).await.map(|_| true)
            }
            None => Ok(false),
        }
    }
}

/// Waits until so long has passed since `start`; for ever without a limit, or with one beyond all time.
async fn passed(start: tokio::time::Instant, limit: Option<Duration>) {
    match limit.and_then(|limit| start.checked_add(limit)) {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
