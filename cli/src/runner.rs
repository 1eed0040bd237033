//! What a sweep runs with: store, queue, and a worker if jobs are computed in this process.

use crate::{
    commands::worker::HEARTBEAT,
    failure::{Failure, RunFailure},
    interrupt::{Interrupts, ShutdownSignals},
};
use coordinator::{Coordinator, CoordinatorError, Counts, Ended, Event, Frozen, Resume, RunEnd, Settings};
use jobs::Outcome;
use queue::{JobPublisher, MemoryQueue};
use std::{convert::Infallible, future::pending, process, sync::Arc, time::Duration};
use store::Store;
use tokio::{runtime::Runtime, sync::Notify};
use worker::{DeviceThread, Engine, Metrics, Worker};

/// How often the store is asked for jobs whose end was not announced. Each time costs a request for each outstanding
/// job.
const POLL: Duration = Duration::from_secs(30);

/// Runs sweeps, and ends them gracefully on a shutdown signal.
pub(crate) struct Runner {
    pub(crate) runtime: Runtime,
    pub(crate) store: Store,
    interrupts: Interrupts,
    publisher: Arc<dyn JobPublisher>,
    local: Option<Local>,
}

/// The end of a sweep that was not stopped before.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) counts: Counts,
}

/// A queue and a worker in this process.
struct Local {
    queue: MemoryQueue,
    worker: Arc<Worker>,
}

impl Runner {
    /// Computes jobs in this process. Starts the device thread.
    pub(crate) fn local(
        runtime: Runtime,
        interrupts: Interrupts,
        engine: Engine,
        store: Store,
        metrics: Metrics,
    ) -> Self {
        let queue = MemoryQueue::new();
        let mut engine = engine.with_metrics(metrics.clone());
        let device = engine.device().to_owned();
        let allows_commands = engine.allows_commands();
        let thread = DeviceThread::start(device, Engine::versions(), move |job, stop| engine.compute(job, stop));
        let name = format!("local-{}", process::id());
        let worker = Worker::new(name, Arc::new(queue.clone()), store.clone(), Arc::new(thread));
        let worker = Arc::new(
            worker
                .allowing_commands(allows_commands)
                .with_heartbeat(HEARTBEAT)
                .with_metrics(metrics)
                .sharing_the_store(),
        );
        let local = Local { queue: queue.clone(), worker };
        Self { runtime, store, interrupts, publisher: Arc::new(queue), local: Some(local) }
    }

    /// Publishes jobs for workers elsewhere.
    pub(crate) fn remote(
        runtime: Runtime,
        interrupts: Interrupts,
        publisher: Arc<dyn JobPublisher>,
        store: Store,
    ) -> Self {
        Self { runtime, store, interrupts, publisher, local: None }
    }

    /// Publishes the jobs of the next sweep through this queue.
    pub(crate) fn publish_through(&mut self, publisher: Arc<dyn JobPublisher>) {
        self.publisher = publisher;
    }

    /// The worker in this process, if there is one.
    pub(crate) fn worker(&self) -> Option<&Arc<Worker>> {
        self.local.as_ref().map(|local| &local.worker)
    }

    /// Runs a sweep from its stored state to its end. Polls `beside` meanwhile.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] on a shutdown signal; any other reason why the sweep does not finish.
    pub(crate) fn sweep(
        &self,
        frozen: Frozen,
        resume: Resume,
        settings: Settings,
        on_event: &mut (dyn FnMut(Event) + Send),
        beside: impl Future<Output = Infallible>,
    ) -> Result<Done, Failure> {
        let settings = Settings { versions: Engine::versions(), poll: POLL, ..settings };
        let coordinator = Coordinator { publisher: Arc::clone(&self.publisher), store: self.store.clone(), settings };
        let end = self.interrupts.graceful(1, |signals| {
            let run = coordinator.run(frozen, resume, on_event, signals.clone().first());
            let work = async {
                match &self.local {
                    None => run.await.map_err(Failure::from),
                    Some(local) => local.compute_during(run, signals).await,
                }
            };
            self.runtime.block_on(async {
                tokio::select! {
                    end = work => end,
                    never = beside => match never {},
                }
            })
        })?;
        match end.ended {
            Ended::Finished(outcome) => Ok(Done { outcome: *outcome, counts: end.counts }),
            Ended::Interrupted => Err(Failure::Interrupted),
            Ended::Cancelled => Err(Failure::Run(RunFailure::Cancelled)),
            Ended::Stopped(reason) => Err(Failure::Run(RunFailure::Stopped(reason))),
            Ended::TooManyFailures { failed, limit } => {
                Err(Failure::Run(RunFailure::TooManyFailures { failed, limit }))
            }
        }
    }
}

impl Local {
    /// Computes jobs until the coordinator's `run` ends.
    async fn compute_during(
        &self,
        run: impl Future<Output = Result<RunEnd, CoordinatorError>>,
        signals: ShutdownSignals,
    ) -> Result<RunEnd, Failure> {
        // An earlier sweep of this process has closed it.
        self.queue.reopen();
        let ended_early = Notify::new();
        let run = async {
            let end = run.await?;
            self.queue.close();
            if !matches!(end.ended, Ended::Finished(_)) {
                // The jobs that are left in the queue are not needed.
                ended_early.notify_one();
            }
            Ok(end)
        };
        let work = async {
            let stop = async {
                tokio::select! {
                    () = signals.first() => {}
                    () = ended_early.notified() => {}
                }
            };
            Ok(self.worker.run_until(pending(), stop).await?)
        };
        // Without its worker, the coordinator would wait for ever. The first error ends both.
        tokio::try_join!(run, work).map(|(end, _)| end)
    }
}
