use crate::{
    Compute, Computed, JobError, Stop, WorkerError,
    settle::{AfterFailure, after_failure},
};
use jobs::{FailureRecord, Job, JobResult, RESULT_VERSION, RunFacts};
use queue::{Delivery, JobConsumer};
use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use store::Store;
use tracing::{Instrument, info, info_span, warn};

/// What a worker puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Attempts at a job before its failure is final.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with every further one.
    pub back_off: Duration,
    /// The longest that one job may compute; `None` for ever.
    pub wall_clock: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { attempts: 3, back_off: Duration::from_secs(1), wall_clock: None }
    }
}

/// How a worker came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The queue was closed and holds nothing more.
    QueueClosed,
    /// It was told to stop.
    Stopped,
}

/// The loop between a queue and a store.
pub struct Worker {
    name: String,
    limits: Limits,
    queue: Arc<dyn JobConsumer>,
    store: Store,
    compute: Arc<dyn Compute>,
    settled: Arc<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).field("compute", &self.compute).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker called `name`, which shows in its results.
    pub fn new(name: String, queue: Arc<dyn JobConsumer>, store: Store, compute: Arc<dyn Compute>) -> Self {
        Self { name, limits: Limits::default(), queue, store, compute, settled: Arc::new(|| ()) }
    }

    /// The same worker with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same worker, which calls `hint` after every change of the store: a coordinator in the same process need
    /// not wait for its next look.
    #[must_use]
    pub fn with_hint(self, hint: impl Fn() + Send + Sync + 'static) -> Self {
        Self { settled: Arc::new(hint), ..self }
    }

    /// Takes jobs until the queue is closed and empty, or `stop` is done. A job in hand then ends soon and goes back.
    ///
    /// # Errors
    /// The queue or the store is out of reach; the job in hand comes back.
    pub async fn run_until(&self, stop: impl Future<Output = ()> + Send) -> Result<Ended, WorkerError> {
        tokio::pin!(stop);
        loop {
            let delivery = tokio::select! {
                biased;
                () = &mut stop => return Ok(Ended::Stopped),
                next = self.queue.next() => match next? {
                    Some(delivery) => delivery,
                    None => return Ok(Ended::QueueClosed),
                },
            };
            let request = Stop::default();
            let handling = self.handle(delivery, &request);
            tokio::pin!(handling);
            tokio::select! {
                handled = &mut handling => handled?,
                () = &mut stop => {
                    request.request();
                    return handling.await.map(|()| Ended::Stopped);
                }
            }
        }
    }

    /// Takes one job and settles it; `false` when the queue is closed and empty.
    ///
    /// # Errors
    /// The queue or the store is out of reach; the job comes back.
    pub async fn run_one(&self) -> Result<bool, WorkerError> {
        match self.queue.next().await? {
            Some(delivery) => self.handle(delivery, &Stop::default()).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn handle(&self, delivery: Delivery, stop: &Stop) -> Result<(), WorkerError> {
        let span = info_span!("attempt", job = %delivery.job().id().short(), attempt = delivery.attempt());
        self.settle(delivery, stop).instrument(span).await?;
        (self.settled)();
        Ok(())
    }

    async fn settle(&self, delivery: Delivery, stop: &Stop) -> Result<(), WorkerError> {
        let (job, attempt) = (delivery.job().clone(), delivery.attempt());
        let id = job.id();
        let store_error = |source| WorkerError::Store { job: id, source };
        if self.store.result(&id).await.map_err(store_error)?.is_some() {
            return Ok(delivery.ack().await?);
        }
        match self.compute_within_limit(&job, stop).await {
            Ok(computed) => {
                let result = self.result(&job, attempt, computed);
                // Whoever stored a result first has the word; ours is the same but for its timings.
                let _put = self.store.put_result(&result).await.map_err(store_error)?;
                info!(evaluate_s = result.timings.evaluate_s, "job done");
                Ok(delivery.ack().await?)
            }
            Err(error) => {
                let next = after_failure(&error, attempt, &self.limits);
                if next != AfterFailure::GiveBack {
                    let failure = self.failure(&job, attempt, &error, next == AfterFailure::Park);
                    self.store.put_failure(&failure).await.map_err(store_error)?;
                    warn!(error = failure.errors.join(": "), is_final = failure.is_final, "job failed");
                }
                match next {
                    AfterFailure::GiveBack => drop(delivery),
                    AfterFailure::Retry(after) => delivery.retry(after).await?,
                    AfterFailure::Park => delivery.park(&error.to_string()).await?,
                }
                Ok(())
            }
        }
    }

    async fn compute_within_limit(&self, job: &Job, stop: &Stop) -> Result<Computed, JobError> {
        let computing = self.compute.compute(job, stop);
        let Some(limit) = self.limits.wall_clock else { return computing.await };
        tokio::pin!(computing);
        match tokio::time::timeout(limit, &mut computing).await {
            Ok(computed) => computed,
            Err(_) => {
                stop.request();
                // The device is one: the next job has to wait until this one let go of it.
                let _ = computing.await;
                Err(JobError::TimedOut(limit))
            }
        }
    }

    fn result(&self, job: &Job, attempt: u32, computed: Computed) -> JobResult {
        let Computed { scores, merge, timings, commits } = computed;
        JobResult {
            version: RESULT_VERSION,
            job: job.id(),
            meaning: job.meaning.clone(),
            scores,
            merge,
            timings,
            run: RunFacts {
                worker: self.name.clone(),
                attempt,
                device: self.compute.device(),
                versions: self.compute.versions(),
                commits,
                finished_ms: now_ms(),
            },
        }
    }

    fn failure(&self, job: &Job, attempt: u32, error: &JobError, is_final: bool) -> FailureRecord {
        FailureRecord {
            version: RESULT_VERSION,
            job: job.id(),
            meaning: job.meaning.clone(),
            attempt,
            is_final,
            errors: error.chain(),
            worker: self.name.clone(),
            failed_ms: now_ms(),
        }
    }
}

/// Milliseconds since 1970, UTC; 0 on a machine whose clock stands before that.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
