use crate::{AttemptContext, Compute, Computed, JobError};
use async_trait::async_trait;
use jobs::Job;
use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};
use tokio::sync::{mpsc, oneshot};
use tracing::Span;

/// One thread that owns a device and computes one job after the other.
#[derive(Debug)]
pub struct DeviceThread {
    requests: mpsc::UnboundedSender<Request>,
    device: String,
    versions: BTreeMap<String, String>,
}

/// A job for the thread.
#[derive(Debug)]
struct Request {
    job: Job,
    context: AttemptContext,
    /// The caller's span: the thread does not inherit it.
    span: Span,
    reply: oneshot::Sender<Result<Computed, JobError>>,
}

impl DeviceThread {
    /// Starts the thread; `compute` moves into it. The thread ends when this handle is dropped and its last job is
    /// done.
    pub fn start(
        device: String,
        versions: BTreeMap<String, String>,
        mut compute: impl FnMut(&Job, &AttemptContext) -> Result<Computed, JobError> + Send + 'static,
    ) -> Self {
        let (requests, mut inbox) = mpsc::unbounded_channel::<Request>();
        thread::spawn(move || {
            while let Some(Request { job, context, span, reply }) = inbox.blocking_recv() {
                // A panic fails one job and not the worker: the caches hold only complete values.
                let computed = catch_unwind(AssertUnwindSafe(|| span.in_scope(|| compute(&job, &context))));
                let computed = computed.unwrap_or_else(|panic| Err(JobError::Panicked(panic_message(&*panic))));
                // If the worker was dropped meanwhile, nothing waits for the reply, and the queue returns the job.
                let _ = reply.send(computed);
            }
        });
        Self { requests, device, versions }
    }
}

#[async_trait]
impl Compute for DeviceThread {
    async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let has_ended = || JobError::Panicked("the thread that computes has ended".to_owned());
        let (reply, answer) = oneshot::channel();
        let request = Request { job: job.clone(), context: context.clone(), span: Span::current(), reply };
        self.requests.send(request).map_err(|_| has_ended())?;
        answer.await.map_err(|_| has_ended())?
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
