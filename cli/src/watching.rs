//! Monitoring of a worker and a run: metrics, answers to probes, and the live page of a run.

mod pages;

use crate::{
    args::{ListenArgs, StoreArgs},
    failure::Failure,
    terminal,
};
use coordinator::{Counts, Event};
use jobs::WorkerState;
use pages::PageServer;
use parking_lot::Mutex;
use queue::{JobPublisher, RabbitQueue};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, OnceLock},
    time::Duration,
};
use telemetry::{Endpoint, Gpus, ProcessStatus, Sample};
use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};
use worker::{Metrics, Worker};

/// The time between two requests for the number of jobs that wait in the queue.
const QUEUE_INTERVAL: Duration = Duration::from_secs(15);

/// The status of this process, and the endpoint that serves it if one was requested.
#[derive(Debug)]
pub(crate) struct Watching {
    status: Arc<ProcessStatus>,
    metrics: Metrics,
    _endpoint: Option<Endpoint>,
    _pages: Option<PageServer>,
}

impl Watching {
    /// Shows that the process is starting, until it is ready.
    pub(crate) fn open(args: &ListenArgs, runtime: &Runtime) -> Result<Self, Failure> {
        let status = new_status();
        let endpoint = match args.listen {
            None => None,
            Some(address) => {
                let endpoint = runtime.block_on(Endpoint::open(address, Arc::clone(&status)))?;
                terminal::note(format_args!("http://{}: /metrics, /healthz, /readyz", endpoint.address()));
                Some(endpoint)
            }
        };
        Ok(Self { status, metrics: Metrics::default(), _endpoint: endpoint, _pages: None })
    }

    /// The same for a run: at a loopback address, it shows the reports of its store as well.
    ///
    /// Whoever watches a process of a cluster is not asked for a password, and is to see counts alone: at any other address
    /// there are no reports.
    pub(crate) fn open_run(args: &ListenArgs, store: &StoreArgs, runtime: &Runtime) -> Result<Self, Failure> {
        let Some(address) = args.listen.filter(|address| address.ip().is_loopback()) else {
            return Self::open(args, runtime);
        };
        let status = new_status();
        let pages = PageServer::open(address, Arc::clone(&status), store)?;
        Ok(Self { status, metrics: Metrics::default(), _endpoint: None, _pages: Some(pages) })
    }

    /// The metrics of an engine and its worker.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Shows a worker that is still to be made, on `device`, with or without a broker.
    pub(crate) fn show_worker(&self, device: &str, has_broker: bool) -> PendingWorker<'_> {
        let worker = Arc::new(OnceLock::<Arc<Worker>>::new());
        let shown = Arc::clone(&worker);
        self.status.register(|registry| self.metrics.register(registry));
        self.status.sample_with(move || worker_samples(shown.get().map(Arc::as_ref), has_broker));
        if device.starts_with("cuda") {
            self.show_gpus();
        }
        PendingWorker { status: &self.status, worker }
    }

    fn show_gpus(&self) {
        match Gpus::find() {
            Ok(gpus) => self.status.sample_with(move || gpus.samples()),
            Err(reason) => terminal::note(format_args!("warning: no metrics of GPUs are available: {reason}")),
        }
    }

    /// Shows a run, which is ready while its broker is reachable.
    pub(crate) fn run(&self, sweep: &str, queue: Option<(&str, &Arc<RabbitQueue>)>) -> RunMetrics {
        let (pool, queue) = queue.unzip();
        let metrics = RunMetrics::default();
        metrics.begin(sweep, queue);
        let shown = metrics.clone();
        let pool = pool.map(ToOwned::to_owned);
        self.status
            .sample_with(move || run_samples(&shown.numbers.lock(), pool.as_deref(), shown.queue.lock().as_deref()));
        let shown = metrics.clone();
        self.status.ready_if(move || match &*shown.queue.lock() {
            Some(queue) if !queue.is_connected() => Err("the broker is out of reach".to_owned()),
            Some(_) | None => Ok(()),
        });
        metrics
    }

    /// Runs `work`, and records heartbeats for as long as it is polled.
    pub(crate) async fn with_heartbeat<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.status.liveness().heartbeat() => match never {},
        }
    }

    /// The background work of a run: heartbeats, and the number of jobs that wait.
    pub(crate) async fn background(&self, run: &RunMetrics) -> Infallible {
        tokio::select! {
            never = self.status.liveness().heartbeat() => never,
            never = run.poll_queue() => never,
        }
    }
}

/// A worker that is still to be made.
pub(crate) struct PendingWorker<'a> {
    status: &'a ProcessStatus,
    worker: Arc<OnceLock<Arc<Worker>>>,
}

impl PendingWorker<'_> {
    /// Sets the worker. It is ready while its queue can send it jobs and it does not drain.
    pub(crate) fn set(self, worker: &Arc<Worker>) {
        let asked = Arc::clone(worker);
        self.status.ready_if(move || {
            let health = asked.health();
            match (health.state, health.is_connected) {
                (WorkerState::Draining, _) => Err("draining".to_owned()),
                (_, false) => Err("the broker is out of reach".to_owned()),
                (_, true) => Ok(()),
            }
        });
        // It was not set before: this value is consumed, and there is one for each worker.
        _ = self.worker.set(Arc::clone(worker));
    }
}

/// The metrics of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunMetrics {
    numbers: Arc<Mutex<Numbers>>,
    queue: Arc<Mutex<Option<Arc<RabbitQueue>>>>,
}

#[derive(Debug, Default)]
struct Numbers {
    sweep: String,
    bound: u64,
    counts: Counts,
    published: u64,
    outstanding: u64,
    best: BTreeMap<String, f64>,
    waiting: Option<u64>,
}

impl RunMetrics {
    /// Shows a sweep, in place of one that this process ran before.
    pub(crate) fn begin(&self, sweep: &str, queue: Option<&Arc<RabbitQueue>>) {
        *self.numbers.lock() = Numbers { sweep: sweep.to_owned(), ..Numbers::default() };
        *self.queue.lock() = queue.cloned();
    }

    /// Counts an event.
    pub(crate) fn note(&self, event: &Event) {
        let mut numbers = self.numbers.lock();
        numbers.counts.note(event);
        match event {
            Event::Plan { bound, .. } => numbers.bound = *bound,
            Event::Revision(_) | Event::Phase(_) | Event::WeakAdapter(_) => {}
            Event::Published { .. } => {
                numbers.published += 1;
                numbers.outstanding += 1;
            }
            Event::Finished { is_reused, .. }
            | Event::Failed { is_reused, .. }
            | Event::Written { is_reused, .. }
            | Event::NotWritten { is_reused, .. } => {
                numbers.outstanding = numbers.outstanding.saturating_sub(u64::from(!is_reused));
            }
            Event::Best { search, value, .. } => drop(numbers.best.insert(search.clone(), *value)),
        }
    }

    /// Requests the number of jobs that wait, for as long as it is polled.
    pub(crate) async fn poll_queue(&self) -> Infallible {
        let queue = self.queue.lock().clone();
        let Some(queue) = queue else { return std::future::pending().await };
        loop {
            // A number that does not arrive in time is unknown, not the last one.
            let waiting = timeout(QUEUE_INTERVAL, queue.waiting()).await.ok().and_then(Result::ok).flatten();
            self.numbers.lock().waiting = waiting;
            sleep(QUEUE_INTERVAL).await;
        }
    }
}

fn new_status() -> Arc<ProcessStatus> {
    let status = Arc::new(ProcessStatus::default());
    status.sample_with(build_info);
    status
}

fn build_info() -> Vec<Sample> {
    let sample = Sample::gauge("build_info", "The program, and the versions of its formats and computations", 1.0)
        .labelled("version", env!("CARGO_PKG_VERSION"))
        .labelled("wire", queue::WIRE_VERSION.to_string())
        .labelled("evaluation", jobs::EVALUATION_SEMANTICS.to_string())
        .labelled("recipe", jobs::SEMANTICS.to_string());
    vec![sample]
}

fn worker_samples(worker: Option<&Worker>, has_broker: bool) -> Vec<Sample> {
    let health = worker.map(Worker::health);
    let state = match health.as_ref().map(|health| health.state) {
        None => "starting",
        Some(WorkerState::Idle) => "idle",
        Some(WorkerState::Busy) => "busy",
        Some(WorkerState::Draining) => "draining",
    };
    let mut samples: Vec<_> = ["starting", "idle", "busy", "draining"]
        .map(|each| {
            Sample::gauge("worker_state", "What the worker is doing", f64::from(each == state)).labelled("state", each)
        })
        .into();
    if let Some(health) = health.filter(|_| has_broker) {
        samples.extend(broker_samples(health.is_connected, health.reconnects));
        let help = "Jobs that were deferred to workers of another version, or to workers that run commands";
        samples.push(Sample::gauge("jobs_left_to_others", help, health.deferred as f64));
    }
    samples
}

fn broker_samples(is_in_reach: bool, reconnects: u64) -> [Sample; 2] {
    [
        Sample::gauge("broker_in_reach", "Whether the broker is connected", f64::from(is_in_reach)),
        Sample::counter("broker_reconnects", "Connections to the broker after the first", reconnects as f64),
    ]
}

fn run_samples(numbers: &Numbers, pool: Option<&str>, queue: Option<&RabbitQueue>) -> Vec<Sample> {
    let Numbers { sweep, bound, counts, published, outstanding, best, waiting } = numbers;
    let Counts { run: done, reused, failed } = counts;
    let states =
        [("bound", bound), ("reused", reused), ("done", done), ("failed", failed), ("outstanding", outstanding)];
    let mut samples: Vec<_> = states
        .map(|(state, count)| {
            Sample::gauge("sweep_jobs", "Jobs of the sweep, by state", *count as f64)
                .labelled("sweep", sweep.as_str())
                .labelled("state", state)
        })
        .into();
    let help = "Jobs that this process published";
    samples.push(Sample::counter("sweep_published", help, *published as f64).labelled("sweep", sweep.as_str()));
    samples.extend(best.iter().map(|(search, value)| {
        Sample::gauge("sweep_best", "The best value that a search has found", *value)
            .labelled("sweep", sweep.as_str())
            .labelled("search", search.as_str())
    }));
    if let Some(waiting) = waiting {
        samples.push(
            Sample::gauge("queue_jobs_waiting", "Jobs of the sweep that wait for a worker", *waiting as f64)
                .labelled("pool", pool.unwrap_or_default())
                .labelled("sweep", sweep.as_str()),
        );
    }
    if let Some(queue) = queue {
        samples.extend(broker_samples(queue.is_connected(), queue.reconnects()));
    }
    samples
}
