use crate::{
    Compute, Computed, JobError, Stop, WorkerError,
    cancelled::Cancellations,
    clock::now_ms,
    limits::Limits,
    metrics::{Metrics, Outcome},
    pulse::Pulse,
    settle::{AfterFailure, after_failure},
    sweeps::Sweeps,
};
use jobs::{
    FailureRecord, Job, JobId, JobResult, OtherSemantics, RESULT_VERSION, RunFacts, Timings, WorkerState, WorkerStatus,
};
use queue::{Delivery, JobConsumer, QueueError};
use std::{
    collections::HashSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};
use store::{Store, StoreError};
use tokio::time::{sleep, timeout};
use tracing::{Instrument, Span, debug, error, info, info_span, warn};

/// The longest that a worker takes to say that it has ended.
const FAREWELL: Duration = Duration::from_secs(5);

/// How long a job waits whose workers seem lost while one of them is still at it.
const STILL_AT_IT: Duration = Duration::from_secs(10);

/// A worker that told of itself within this time is alive, as far as clocks agree.
const ALIVE_WITHIN_MS: u64 = 60_000;

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
    /// Failures in a row that were this worker's own fault.
    own_faults: AtomicU32,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("name", &self.name).field("compute", &self.compute).finish_non_exhaustive()
    }
}

/// What an attempt came to.
struct Attempted {
    outcome: Result<Computed, JobError>,
    /// The computation goes on although it was told to stop.
    hangs: bool,
}

impl Attempted {
    /// It came to nothing before it began.
    fn failed(error: JobError) -> Self {
        Self { outcome: Err(error), hangs: false }
    }
}

impl Worker {
    /// A worker called `name`, which shows in its results. Two workers of one store at the same time have two names.
    pub fn new(name: String, queue: Arc<dyn JobConsumer>, store: Store, compute: Arc<dyn Compute>) -> Self {
        let pulse = Pulse::new(name.clone(), compute.device(), compute.versions());
        let (cancellations, sweeps) = (Cancellations::new(store.clone()), Sweeps::new(store.clone()));
        let (limits, own_faults) = (Limits::default(), AtomicU32::new(0));
        Self {
            name,
            limits,
            queue,
            store,
            compute,
            cancellations,
            sweeps,
            shares_store: false,
            pulse,
            metrics: Metrics::default(),
            follow_trace: None,
            others: Mutex::default(),
            own_faults,
        }
    }

    /// The same worker with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
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
        Self { shares_store: true, ..self }
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
            is_in_reach: self.queue.is_in_reach(),
            reconnects: self.queue.reconnects(),
            left: self.queue.left_to_others().len(),
        }
    }

    /// Takes jobs until the queue is closed and empty, no job comes for too long, or it is told to end: once `drain` is
    /// done the job in hand is finished and no other taken, once `now` is done the job in hand stops soon and goes back.
    ///
    /// # Errors
    /// The queue or the store is out of reach for longer than their limits, or a job does not stop; the job in hand
    /// comes back by itself.
    pub async fn run_until(
        &self,
        drain: impl Future<Output = ()> + Send,
        now: impl Future<Output = ()> + Send,
    ) -> Result<Ended, WorkerError> {
        let ended = tokio::select! {
            ended = self.take_jobs(drain, now) => ended,
            never = self.pulse.beat(&self.store, || self.queue.left_to_others()) => match never {},
        };
        // Nothing relies on it, and a worker that is told to end should not wait for a store that is away.
        let _ = timeout(FAREWELL, self.pulse.end(&self.store)).await;
        ended
    }

    async fn take_jobs(
        &self,
        drain: impl Future<Output = ()> + Send,
        now: impl Future<Output = ()> + Send,
    ) -> Result<Ended, WorkerError> {
        tokio::pin!(drain, now);
        // Jobs that are left to others do not count as work: they may come by for ever.
        let mut worked = tokio::time::Instant::now();
        loop {
            let next = tokio::select! {
                biased;
                () = &mut now => return Ok(self.stops()),
                () = &mut drain => return Ok(self.stops()),
                // A broker that is out of reach hands out no job either: that is its own limit's matter.
                () = passed(worked, self.limits.idle) => match self.queue.is_in_reach() {
                    true => return Ok(Ended::Idle),
                    false => {
                        worked = tokio::time::Instant::now();
                        continue;
                    }
                },
                next = self.queue.next() => next?,
            };
            let Some(delivery) = next else { return Ok(Ended::QueueClosed) };
            let (leave, mut is_leaving) = (Stop::default(), false);
            let is_work = delivery.job().meaning.check_semantics().is_ok();
            let handling = self.handle(delivery, &leave);
            tokio::pin!(handling);
            loop {
                tokio::select! {
                    biased;
                    handled = &mut handling => break handled?,
                    () = &mut now, if !leave.is_requested() => leave.request(),
                    () = &mut drain, if !is_leaving => {
                        is_leaving = true;
                        self.pulse.drains();
                    }
                }
            }
            if is_leaving || leave.is_requested() {
                return Ok(self.stops());
            }
            if is_work {
                worked = tokio::time::Instant::now();
            }
        }
    }

    /// The worker has been told to stop, and takes no more jobs.
    fn stops(&self) -> Ended {
        self.pulse.drains();
        Ended::Stopped
    }

    /// Takes one job and settles it; `false` when the queue is closed and empty.
    ///
    /// # Errors
    /// As [`run_until`](Self::run_until).
    pub async fn run_one(&self) -> Result<bool, WorkerError> {
        match self.queue.next().await? {
            Some(delivery) => self.handle(delivery, &Stop::default()).await.map(|()| true),
            None => Ok(false),
        }
    }

    async fn handle(&self, delivery: Delivery, leave: &Stop) -> Result<(), WorkerError> {
        let (job, attempt) = (delivery.job().id(), delivery.attempt());
        let span = info_span!("job", sweep = delivery.sweep(), job = %job.short(), attempt);
        if let (Some(follow), Some(parent)) = (self.follow_trace, delivery.trace_parent()) {
            follow(&span, parent);
        }
        let handled = match delivery.job().meaning.check_semantics() {
            Err(other) => self.leave_to_others(delivery, other).instrument(span).await,
            Ok(()) => {
                self.pulse.takes(delivery.job(), delivery.sweep(), attempt);
                let settled = self.settle(delivery, leave).instrument(span).await;
                self.pulse.rests();
                settled
            }
        };
        match handled {
            // The job comes back, here or elsewhere, and its result is found then.
            Err(WorkerError::Queue(error)) if error.is_retryable() => {
                warn!(job = %job.short(), %error, "cannot settle the job; it comes back");
                Ok(())
            }
            handled => handled,
        }
    }

    async fn settle(&self, delivery: Delivery, leave: &Stop) -> Result<(), WorkerError> {
        let job = delivery.job().clone();
        let (id, taken) = (job.id(), Instant::now());
        let out_of_reach = |source| WorkerError::Store { job: id, source };
        // Of a sweep that was removed nothing is left but the mark that cancels it.
        if self.cancellations.of(delivery.sweep()).await.is_some() {
            info!("dropped: the sweep was cancelled");
            return self.counted(Outcome::Dropped, delivery.ack()).await;
        }
        if !self.shares_store && !self.sweeps.holds(delivery.sweep()).await.map_err(out_of_reach)? {
            let (sweep, place) = (delivery.sweep().to_owned(), self.store.place());
            self.counted(Outcome::GivenBack, delivery.give_back()).await?;
            return Err(WorkerError::OtherStore { sweep, place });
        }
        let Attempted { outcome, hangs } = match self.store.result(&id).await {
            Ok(Some(_)) => return self.counted(Outcome::Known, delivery.ack()).await,
            Err(source @ StoreError::Backend(_)) => return Err(out_of_reach(source)),
            Err(error @ StoreError::Version { .. }) => {
                warn!(%error, "another version of the program has done the job");
                return self.counted(Outcome::Known, delivery.ack()).await;
            }
            Err(error) => Attempted::failed(JobError::Stored(error)),
            Ok(None) if delivery.losses() >= self.limits.losses => {
                if self.is_in_other_hands(id).await {
                    sleep(STILL_AT_IT).await;
                    return self.counted(Outcome::GivenBack, delivery.give_back()).await;
                }
                Attempted::failed(JobError::Lost(delivery.losses()))
            }
            Ok(None) => {
                if let Some(waited) = delivery.waited() {
                    self.metrics.waited(waited);
                }
                self.attempt(&job, delivery.sweep(), leave).await
            }
        };
        let answered = self.answer(delivery, &job, outcome, taken).await;
        if !hangs {
            return answered;
        }
        // Whatever became of the message: the device is not free, and the next job would wait for it until its time is up.
        if let Err(error) = answered {
            warn!(%error, "cannot settle the job that does not stop; it comes back");
        }
        Err(WorkerError::Hangs(id))
    }

    /// Settles a job, and counts it as `outcome` if that went well: otherwise it comes back, and is counted then.
    async fn counted(
        &self,
        outcome: Outcome,
        settling: impl Future<Output = Result<(), QueueError>> + Send,
    ) -> Result<(), WorkerError> {
        settling.await?;
        self.metrics.settled(outcome);
        Ok(())
    }

    /// Settles a job that would come to other numbers here than it was meant to.
    async fn leave_to_others(&self, delivery: Delivery, other: OtherSemantics) -> Result<(), WorkerError> {
        if self.cancellations.of(delivery.sweep()).await.is_some() {
            return self.counted(Outcome::Dropped, delivery.ack()).await;
        }
        let is_new = self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(other.clone());
        match is_new {
            true => warn!(reason = %other, "a job is left to a worker of another version, as are all like it"),
            false => debug!(reason = %other, "the job is left to a worker of another version"),
        }
        self.counted(Outcome::Deferred, delivery.defer()).await
    }

    /// Stores what the job came to, and settles it.
    async fn answer(
        &self,
        delivery: Delivery,
        job: &Job,
        outcome: Result<Computed, JobError>,
        taken: Instant,
    ) -> Result<(), WorkerError> {
        match outcome {
            Ok(computed) => {
                let result = self.result(job, delivery.attempt(), computed);
                let storing = Instant::now();
                if let Err(error) = self.keep(&result).await? {
                    return self.settle_failure(delivery, job, &error).await;
                }
                self.metrics.stored(storing.elapsed());
                self.metrics.phases(&result.timings);
                // Done is what is stored, whatever becomes of the message.
                self.metrics.settled(Outcome::Done);
                self.metrics.computed(taken.elapsed());
                info!("job done in {:.2} s", seconds(&result.timings));
                self.pulse.succeeded();
                self.own_faults.store(0, Ordering::Relaxed);
                Ok(delivery.ack().await?)
            }
            Err(error) => {
                self.settle_failure(delivery, job, &error).await?;
                self.count_own_fault(&error)
            }
        }
    }

    /// Stores a result, unless it cannot be an answer to its job, or something else lies in its place.
    async fn keep(&self, result: &JobResult) -> Result<Result<(), JobError>, WorkerError> {
        if let Err(fault) = result.check() {
            return Ok(Err(JobError::Impossible(fault)));
        }
        // Whoever stored a result first has the word; ours is the same but for its timings.
        match self.store.put_result(result).instrument(info_span!("store")).await {
            Ok(_put) => Ok(Ok(())),
            Err(error) if error.is_of_one_object() => Ok(Err(JobError::Stored(error))),
            Err(source) => Err(WorkerError::Store { job: result.job, source }),
        }
    }

    async fn settle_failure(&self, delivery: Delivery, job: &Job, error: &JobError) -> Result<(), WorkerError> {
        let next = after_failure(error, delivery.attempt(), &self.limits);
        if matches!(next, AfterFailure::Retry(_) | AfterFailure::Park) {
            let failure = self.failure(&delivery, job, error, next == AfterFailure::Park);
            let out_of_reach = |source| WorkerError::Store { job: job.id(), source };
            self.store.put_failure(&failure).await.map_err(out_of_reach)?;
            warn!(error = failure.errors.join(": "), is_final = failure.is_final, "job failed");
            self.pulse.failed();
        }
        let reason = error.to_string();
        match next {
            AfterFailure::GiveBack => self.counted(Outcome::GivenBack, delivery.give_back()).await,
            AfterFailure::Drop => self.counted(Outcome::Dropped, delivery.ack()).await,
            AfterFailure::Retry(after) => self.counted(Outcome::Retried, delivery.retry(after)).await,
            AfterFailure::Park => self.counted(Outcome::Parked, delivery.park(&reason)).await,
        }
    }

    /// Ends a worker that fails where others need not, before it has gone through the whole queue.
    fn count_own_fault(&self, error: &JobError) -> Result<(), WorkerError> {
        let Some(limit) = self.limits.own_faults.filter(|_| error.is_own_fault()) else { return Ok(()) };
        match self.own_faults.fetch_add(1, Ordering::Relaxed) + 1 {
            count if count >= limit => Err(WorkerError::Unfit { count, error: error.chain().join(": ") }),
            _ => Ok(()),
        }
    }

    /// Whether another worker tells that it is at the job: one that lost its connection for a while, not its life.
    async fn is_in_other_hands(&self, job: JobId) -> bool {
        let workers = self.store.workers::<WorkerStatus>().await.unwrap_or_default();
        workers.into_iter().filter(|(name, _)| *name != self.name).filter_map(|(_, status)| status.ok()).any(|status| {
            let is_alive = now_ms().saturating_sub(status.beat_ms) < ALIVE_WITHIN_MS;
            is_alive && status.job.is_some_and(|in_hand| in_hand.job == job)
        })
    }

    /// Computes the job, unless something comes between: the worker leaves, the sweep is cancelled, time is up.
    async fn attempt(&self, job: &Job, sweep: &str, leave: &Stop) -> Attempted {
        let stop = Stop::default();
        let computing = self.compute.compute(job, &stop);
        tokio::pin!(computing);
        let reason = tokio::select! {
            biased;
            outcome = &mut computing => return Attempted { outcome, hangs: false },
            reason = self.disturbance(sweep, leave) => reason,
        };
        stop.request();
        // The device is one: the next job has to wait until this one let go of it.
        match timeout(self.limits.stopping, computing).await {
            // It was done before it heard.
            Ok(Ok(computed)) => Attempted { outcome: Ok(computed), hangs: false },
            Ok(Err(_)) => Attempted { outcome: Err(reason), hangs: false },
            Err(_) => {
                error!("the job does not stop; the worker ends");
                Attempted { outcome: Err(reason), hangs: true }
            }
        }
    }

    async fn disturbance(&self, sweep: &str, leave: &Stop) -> JobError {
        let limit = self.limits.wall_clock;
        tokio::select! {
            () = leave.requested() => JobError::Interrupted,
            () = self.cancellations.stops_running(sweep) => JobError::Cancelled(sweep.to_owned()),
            () = passed(tokio::time::Instant::now(), limit) => JobError::TimedOut(limit.unwrap_or_default()),
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

    fn failure(&self, delivery: &Delivery, job: &Job, error: &JobError, is_final: bool) -> FailureRecord {
        FailureRecord {
            version: RESULT_VERSION,
            job: job.id(),
            meaning: job.meaning.clone(),
            attempt: delivery.attempt(),
            sweep: Some(delivery.sweep().to_owned()),
            is_final,
            errors: error.chain(),
            worker: self.name.clone(),
            failed_ms: now_ms(),
        }
    }
}

/// The time that all parts of a job took.
fn seconds(timings: &Timings) -> f64 {
    timings.load_s + timings.align_s + timings.merge_s + timings.evaluate_s
}

/// Waits until so long has passed since `start`; for ever without a limit, or with one beyond all time.
async fn passed(start: tokio::time::Instant, limit: Option<Duration>) {
    match limit.and_then(|limit| start.checked_add(limit)) {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}
