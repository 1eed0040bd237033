use crate::{JobError, Output};
use async_trait::async_trait;
use jobs::{Job, Timings};
use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};
use tracing::Span;

/// What a job came to, before it is known who computed it.
#[derive(Debug)]
pub struct Computed {
    /// What came out of it.
    pub output: Output,
    /// How long the parts took.
    pub timings: Timings,
    /// The commits that hub inputs were resolved to.
    pub commits: BTreeMap<String, String>,
}

/// A request to stop, looked at between batches. Clones share one request.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Request>);

#[derive(Debug, Default)]
struct Request {
    is_made: AtomicBool,
    made: Notify,
    loading: Mutex<LoadTime>,
}

/// How long inputs have been read for a job.
#[derive(Debug, Default)]
struct LoadTime {
    /// Since when inputs are being read; reading may be nested.
    since: Option<Instant>,
    depth: u32,
    before: Duration,
}

/// Marks that inputs of a job are being read, until it is dropped.
#[derive(Debug)]
pub struct Loading(Stop);

impl Stop {
    /// Asks whoever holds a clone to stop soon.
    pub fn request(&self) {
        self.0.is_made.store(true, Ordering::Release);
        self.0.made.notify_waiters();
    }

    /// Whether a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.is_made.load(Ordering::Acquire)
    }

    /// Marks that inputs are being read: that time does not count as computing.
    #[must_use]
    pub fn loading(&self) -> Loading {
        let mut loading = self.load_time();
        loading.depth += 1;
        loading.since.get_or_insert_with(Instant::now);
        drop(loading);
        Loading(self.clone())
    }

    /// How long inputs have been read so far, and whether they still are.
    pub(crate) fn loaded_for(&self) -> (Duration, bool) {
        let loading = self.load_time();
        (loading.before + loading.since.map_or(Duration::ZERO, |since| since.elapsed()), loading.since.is_some())
    }

    fn load_time(&self) -> MutexGuard<'_, LoadTime> {
        // Each change is whole before anything can panic.
        self.0.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a stop is requested.
    pub async fn requested(&self) {
        // Made before the look: `notify_waiters` reaches every future that exists, polled or not.
        let made = self.0.made.notified();
        if !self.is_requested() {
            made.await;
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let mut loading = self.0.load_time();
        loading.depth = loading.depth.saturating_sub(1);
        if loading.depth == 0 {
            let since = loading.since.take();
            loading.before += since.map_or(Duration::ZERO, |since| since.elapsed());
        }
    }
}

/// What a worker does with a job.
#[async_trait]
pub trait Compute: fmt::Debug + Send + Sync + 'static {
    /// Computes one job; ends early with [`JobError::Interrupted`] once `stop` is requested.
    async fn compute(&self, job: &Job, stop: &Stop) -> Result<Computed, JobError>;

    /// The device, for results.
    fn device(&self) -> String;

    /// Versions of the libraries that decide numbers, by name.
    fn versions(&self) -> BTreeMap<String, String>;
}

type Reply = oneshot::Sender<Result<Computed, JobError>>;

/// What the thread is asked for, and in which span: that does not follow from thread to thread by itself.
type Order = (Job, Stop, Span, Reply);

/// One thread that owns a device and computes one job after the other.
#[derive(Debug)]
pub struct DeviceThread {
    requests: mpsc::UnboundedSender<Order>,
    device: String,
    versions: BTreeMap<String, String>,
}

impl DeviceThread {
    /// Starts the thread; `compute` moves into it. It ends when this handle is dropped and its last job is done.
    pub fn start(
        device: String,
        versions: BTreeMap<String, String>,
        mut compute: impl FnMut(&Job, &Stop) -> Result<Computed, JobError> + Send + 'static,
    ) -> Self {
        let (requests, mut inbox) = mpsc::unbounded_channel::<Order>();
        thread::spawn(move || {
            while let Some((job, stop, span, reply)) = inbox.blocking_recv() {
                // A panic costs one job, not the worker; its caches only ever hold finished parts.
                let computed = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| compute(&job, &stop))));
                let computed = computed.unwrap_or_else(|panic| Err(JobError::Panicked(panic_message(&*panic))));
                // Nobody waits any more when the worker was dropped in between: the job comes back by itself.
                let _ = reply.send(computed);
            }
        });
        Self { requests, device, versions }
    }
}

#[async_trait]
impl Compute for DeviceThread {
    async fn compute(&self, job: &Job, stop: &Stop) -> Result<Computed, JobError> {
        let gone = || JobError::Panicked("the thread that computes has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        self.requests.send((job.clone(), stop.clone(), Span::current(), reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn device(&self) -> String {
        self.device.clone()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        self.versions.clone()
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
