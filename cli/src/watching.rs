//! What a worker and a run show of themselves while they go on: numbers, and answers to probes.

use crate::{args::ListenArgs, failure::Failure, terminal};
use coordinator::Event;
use jobs::WorkerState;
use queue::{JobPublisher, RabbitQueue};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use telemetry::{Endpoint, Gpus, ProcessStatus, Sample};
use tokio::{
    runtime::Runtime,
    time::{sleep, timeout},
};
use worker::{Metrics, Worker};

/// How often a run asks how many jobs wait in its queue.
const QUEUE_EVERY: Duration = Duration::from_secs(15);

/// A status, and the endpoint that shows it where one was asked for.
#[derive(Debug)]
pub(crate) struct Watching {
    status: Arc<ProcessStatus>,
    metrics: Metrics,
    _endpoint: Option<Endpoint>,
}

impl Watching {
    /// Shows that the process starts, from now on.
    pub(crate) fn open(args: &ListenArgs, runtime: &Runtime) -> Result<Self, Failure> {
        let status = Arc::new(ProcessStatus::default());
        status.sample_with(build_info);
        let endpoint = match args.listen {
            None => None,
            Some(address) => {
                let endpoint = runtime.block_on(Endpoint::open(address, Arc::clone(&status)))?;
                terminal::note(format_args!("http://{}: /metrics, /healthz, /readyz", endpoint.address()));
                Some(endpoint)
            }
        };
        Ok(Self { status, metrics: Metrics::default(), _endpoint: endpoint })
    }

    /// What an engine and its worker count in.
    pub(crate) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Shows a worker that is to come, on `device`, with or without a broker.
    pub(crate) fn worker_to_come(&self, device: &str, has_broker: bool) -> WorkerToCome<'_> {
        let worker = Arc::new(OnceLock::<Arc<Worker>>::new());
        let shown = Arc::clone(&worker);
        self.status.register(|registry| self.metrics.register(registry));
        self.status.sample_with(move || worker_samples(shown.get().map(Arc::as_ref), has_broker));
        if device.starts_with("cuda") {
            self.show_gpus();
        }
        WorkerToCome { status: &self.status, worker }
    }

    fn show_gpus(&self) {
        match Gpus::find() {
            Ok(gpus) => self.status.sample_with(move || gpus.samples()),
            Err(reason) => terminal::note(format_args!("warning: no numbers of GPUs can be shown: {reason}")),
        }
    }

    /// Shows a run, which is ready as long as its broker is there.
    pub(crate) fn run(&self, sweep: &str, queue: Option<(&str, &Arc<RabbitQueue>)>) -> RunShown {
        let (pool, queue) = queue.unzip();
        let numbers = Arc::new(Mutex::new(Numbers { sweep: sweep.to_owned(), ..Numbers::default() }));
        let shown = Arc::clone(&numbers);
        let pool = pool.map(ToOwned::to_owned);
        let broker = queue.cloned();
        self.status.sample_with(move || run_samples(&lock(&shown), pool.as_deref(), broker.as_deref()));
        let broker = queue.cloned();
        self.status.ready_if(move || match &broker {
            Some(queue) if !queue.is_in_reach() => Err("the broker is out of reach".to_owned()),
            _ => Ok(()),
        });
        RunShown { numbers, queue: queue.cloned() }
    }

    /// Does `work`, and shows that the process lives for as long as it is polled.
    pub(crate) async fn alive<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.status.liveness().heartbeat() => match never {},
        }
    }

    /// What goes on beside a run: it shows that the process lives, and how many jobs wait.
    pub(crate) async fn beside(&self, run: &RunShown) -> Infallible {
        tokio::select! {
            never = self.status.liveness().heartbeat() => never,
            never = run.count_queue() => never,
        }
    }
}

/// A worker that is not there yet.
pub(crate) struct WorkerToCome<'a> {
    status: &'a ProcessStatus,
    worker: Arc<OnceLock<Arc<Worker>>>,
}

impl WorkerToCome<'_> {
    /// It is there. It is ready once its queue can send it jobs, and no more when it drains.
    pub(crate) fn is(self, worker: &Arc<Worker>) {
        let asked = Arc::clone(worker);
        self.status.ready_if(move || {
            let vitals = asked.vitals();
            match (vitals.state, vitals.is_in_reach) {
                (WorkerState::Draining, _) => Err("draining".to_owned()),
                (_, false) => Err("the broker is out of reach".to_owned()),
                (_, true) => Ok(()),
            }
        });
        // Nobody else has set it: there is one of these for each.
        _ = self.worker.set(Arc::clone(worker));
    }
}

/// A run as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct RunShown {
    numbers: Arc<Mutex<Numbers>>,
    queue: Option<Arc<RabbitQueue>>,
}

#[derive(Debug, Default)]
struct Numbers {
    sweep: String,
    bound: u64,
    reused: u64,
    done: u64,
    failed: u64,
    published: u64,
    outstanding: u64,
    best: BTreeMap<String, f64>,
    waiting: Option<u64>,
}

impl RunShown {
    /// Takes in what happened.
    pub(crate) fn note(&self, event: &Event) {
        let mut numbers = lock(&self.numbers);
        match event {
            Event::Plan { bound, stored } => (numbers.bound, numbers.reused) = (*bound, *stored),
            Event::Revision(_) | Event::Phase(_) | Event::WeakAdapter(_) => {}
            Event::Published { .. } => {
                numbers.published += 1;
                numbers.outstanding += 1;
            }
            Event::Finished { is_reused: true, .. } => numbers.reused += 1,
            Event::Finished { is_reused: false, .. } => {
                numbers.done += 1;
                numbers.outstanding = numbers.outstanding.saturating_sub(1);
            }
            Event::Written { is_reused, .. } | Event::NotWritten { is_reused, .. } => {
                numbers.outstanding = numbers.outstanding.saturating_sub(u64::from(!is_reused));
            }
            Event::Failed { is_reused, .. } => {
                numbers.failed += 1;
                numbers.outstanding = numbers.outstanding.saturating_sub(u64::from(!is_reused));
            }
            Event::Best { search, value, .. } => drop(numbers.best.insert(search.clone(), *value)),
        }
    }

    /// Asks how many jobs wait, for as long as it is polled.
    pub(crate) async fn count_queue(&self) -> Infallible {
        let Some(queue) = &self.queue else { return std::future::pending().await };
        loop {
            // What is not told in time is not known any more.
            let waiting = timeout(QUEUE_EVERY, queue.waiting()).await.ok().and_then(Result::ok).flatten();
            lock(&self.numbers).waiting = waiting;
            sleep(QUEUE_EVERY).await;
        }
    }
}

fn build_info() -> Vec<Sample> {
    let reading = Sample::gauge("build_info", "The program and the versions of what it reads and computes", 1.0)
        .labelled("version", env!("CARGO_PKG_VERSION"))
        .labelled("wire", queue::WIRE_VERSION.to_string())
        .labelled("evaluation", jobs::EVALUATION_SEMANTICS.to_string())
        .labelled("recipe", jobs::SEMANTICS.to_string());
    vec![reading]
}

fn worker_samples(worker: Option<&Worker>, has_broker: bool) -> Vec<Sample> {
    let vitals = worker.map(Worker::vitals);
    let state = match vitals.as_ref().map(|vitals| vitals.state) {
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
    if let Some(vitals) = vitals.filter(|_| has_broker) {
        samples.extend(broker_samples(vitals.is_in_reach, vitals.reconnects));
        let help = "Jobs that were lately left to workers of another version";
        samples.push(Sample::gauge("jobs_left_to_others", help, vitals.left as f64));
    }
    samples
}

fn broker_samples(is_in_reach: bool, reconnects: u64) -> [Sample; 2] {
    [
        Sample::gauge("broker_in_reach", "Whether the connection to the broker is there", f64::from(is_in_reach)),
        Sample::counter("broker_reconnects", "Connections to the broker after the first", reconnects as f64),
    ]
}

fn run_samples(numbers: &Numbers, pool: Option<&str>, queue: Option<&RabbitQueue>) -> Vec<Sample> {
    let Numbers { sweep, bound, reused, done, failed, published, outstanding, best, waiting } = numbers;
    let states =
        [("bound", bound), ("reused", reused), ("done", done), ("failed", failed), ("outstanding", outstanding)];
    let mut samples: Vec<_> = states
        .map(|(state, count)| {
            Sample::gauge("sweep_jobs", "Jobs of the sweep, by how far they are", *count as f64)
                .labelled("sweep", sweep.as_str())
                .labelled("state", state)
        })
        .into();
    let help = "Jobs that this process handed to the queue";
    samples.push(Sample::counter("sweep_published", help, *published as f64).labelled("sweep", sweep.as_str()));
    samples.extend(best.iter().map(|(search, value)| {
        Sample::gauge("sweep_best", "The best value that a search has found", *value)
            .labelled("sweep", sweep.as_str())
            .labelled("search", search.as_str())
    }));
    if let Some(waiting) = waiting {
        samples.push(
            Sample::gauge("queue_jobs_waiting", "Jobs that wait for a worker", *waiting as f64)
                .labelled("pool", pool.unwrap_or_default()),
        );
    }
    if let Some(queue) = queue {
        samples.extend(broker_samples(queue.is_in_reach(), queue.reconnects()));
    }
    samples
}

fn lock(numbers: &Mutex<Numbers>) -> MutexGuard<'_, Numbers> {
    // Nothing panics between two steps of a change, so poisoned numbers are whole ones.
    numbers.lock().unwrap_or_else(PoisonError::into_inner)
}
