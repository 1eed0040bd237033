//! Everything that a sweep runs with: store, queue, and, where jobs are computed here, a worker.

use crate::{
    commands::worker::HEARTBEAT,
    failure::{Failure, RunFailure},
    interrupt::{Interrupts, Wishes},
};
use coordinator::{Coordinator, Counts, Ended, Event, Frozen, Report, Resume, Settings};
use jobs::Outcome;
use queue::{JobPublisher, MemoryQueue};
use std::{convert::Infallible, future::pending, process, sync::Arc, time::Duration};
use store::Store;
use tokio::{runtime::Runtime, sync::Notify};
use worker::{DeviceThread, Engine, Metrics, Worker};

/// How often the store is asked for what nobody has told of: it costs a request for each job that is out.
const POLL: Duration = Duration::from_secs(30);

/// Runs sweeps, and ends them gracefully when the user wishes.
pub(crate) struct Runner {
    pub(crate) runtime: Runtime,
    pub(crate) store: Store,
    interrupts: Interrupts,
    publisher: Arc<dyn JobPublisher>,
    local: Option<Local>,
}

/// What a sweep came to that ran to its end.
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
    /// Jobs are computed here; starts the thread that does.
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
        let thread = DeviceThread::start(device, Engine::versions(), move |job, stop| engine.compute(job, stop));
        let name = format!("local-{}", process::id());
        let worker = Worker::new(name, Arc::new(queue.clone()), store.clone(), Arc::new(thread));
        let worker = Arc::new(worker.with_heartbeat(HEARTBEAT).with_metrics(metrics).sharing_the_store());
        let local = Local { queue: queue.clone(), worker };
        Self { runtime, store, interrupts, publisher: Arc::new(queue), local: Some(local) }
    }

    /// Jobs are handed to workers elsewhere.
    pub(crate) fn remote(
        runtime: Runtime,
        interrupts: Interrupts,
        publisher: Arc<dyn JobPublisher>,
        store: Store,
    ) -> Self {
        Self { runtime, store, interrupts, publisher, local: None }
    }

    /// The worker in this process, if there is one.
    pub(crate) fn worker(&self) -> Option<&Arc<Worker>> {
        self.local.as_ref().map(|local| &local.worker)
    }

    /// Runs a sweep from where it stands to its end, and polls `beside` meanwhile.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] if the user ends it; whatever else keeps the sweep from going on.
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
        let report = self.interrupts.graceful(1, |wishes| {
            let course = coordinator.run(frozen, resume, on_event, wishes.clone().first());
            let work = async {
                match &self.local {
                    None => course.await.map_err(Failure::from),
                    Some(local) => local.work_along(course, wishes).await,
                }
            };
            self.runtime.block_on(async {
                tokio::select! {
                    report = work => report,
                    never = beside => match never {},
                }
            })
        })?;
        match report {
            Report { ended: Ended::Finished(outcome), counts } => Ok(Done { outcome: *outcome, counts }),
            Report { ended: Ended::Interrupted, .. } => Err(Failure::Interrupted),
            Report { ended: Ended::Cancelled, .. } => Err(Failure::Run(RunFailure::Cancelled)),
            Report { ended: Ended::Stopped(reason), .. } => Err(Failure::Run(RunFailure::Stopped(reason))),
            Report { ended: Ended::TooManyFailures { failed, limit }, .. } => {
                Err(Failure::Run(RunFailure::TooManyFailures { failed, limit }))
            }
        }
    }
}

impl Local {
    /// Computes jobs for as long as the coordinator wants some.
    async fn work_along(
        &self,
        course: impl Future<Output = Result<Report, coordinator::CoordinatorError>>,
        wishes: Wishes,
    ) -> Result<Report, Failure> {
        let early_end = Notify::new();
        let course = async {
            let report = course.await?;
            self.queue.close();
            if !matches!(report.ended, Ended::Finished(_)) {
                // Nobody wants what is left in the queue.
                early_end.notify_one();
            }
            Ok(report)
        };
        let work = async {
            let now = async {
                tokio::select! {
                    () = wishes.first() => {}
                    () = early_end.notified() => {}
                }
            };
            Ok(self.worker.run_until(pending(), now).await?)
        };
        // A worker that cannot go on would leave the coordinator waiting: the first failure ends both.
        tokio::try_join!(course, work).map(|(report, _)| report)
    }
}
