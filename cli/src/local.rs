//! Everything that a command runs with on one machine: store, queue and worker in this process.

use crate::{args::ComputeArgs, failure::Failure, interrupt::Interrupts};
use coordinator::{Coordinator, Ended, Event, Frozen, Report, Settings};
use evaluation::DeviceChoice;
use inputs::Inputs;
use queue::MemoryQueue;
use std::{env, path::Path, process, sync::Arc};
use store::Store;
use tokio::{runtime::Runtime, sync::Notify};
use worker::{DeviceThread, Engine, EngineSettings, Worker};

/// Store, queue, worker and the runtime that moves jobs between them.
pub(crate) struct Local {
    pub(crate) runtime: Runtime,
    pub(crate) store: Store,
    queue: MemoryQueue,
    worker: Worker,
    hint: Arc<Notify>,
    interrupts: Interrupts,
}

impl Local {
    /// Starts the thread that computes.
    pub(crate) fn start(mut engine: Engine, store: Store) -> Result<Self, Failure> {
        let (queue, hint) = (MemoryQueue::new(), Arc::new(Notify::new()));
        let device = engine.device().to_owned();
        let thread = DeviceThread::start(device, Engine::versions(), move |job, stop| engine.compute(job, stop));
        let settled = Arc::clone(&hint);
        let worker = Worker::new(worker_name(), Arc::new(queue.clone()), store.clone(), Arc::new(thread))
            .with_hint(move || settled.notify_one());
        let runtime = runtime()?;
        let interrupts = Interrupts::listen(&runtime);
        Ok(Self { runtime, store, queue, worker, hint, interrupts })
    }

    /// Runs a sweep to its end.
    ///
    /// # Errors
    /// [`Failure::Interrupted`] if the user ends it; whatever else keeps the sweep from going on.
    pub(crate) fn sweep(
        &self,
        frozen: Frozen,
        retry_failed: bool,
        on_event: &mut (dyn FnMut(Event) + Send),
    ) -> Result<(jobs::Outcome, coordinator::Counts), Failure> {
        let settings = Settings { retry_failed, versions: Engine::versions(), ..Settings::default() };
        let (publisher, hint) = (Arc::new(self.queue.clone()), Arc::clone(&self.hint));
        let coordinator = Coordinator { publisher, store: self.store.clone(), hint, settings };
        let report = self.interrupts.graceful(|wish| {
            self.runtime.block_on(async {
                let course = async {
                    let report = coordinator.run(frozen, on_event, wish.clone().uttered()).await;
                    self.queue.close();
                    report.map_err(Failure::from)
                };
                let work = async { Ok(self.worker.run_until(wish.clone().uttered()).await?) };
                // A worker that cannot go on would leave the coordinator waiting: the first failure ends both.
                tokio::try_join!(course, work).map(|(report, _)| report)
            })
        })?;
        match report {
            Report { ended: Ended::Finished(outcome), counts } => Ok((*outcome, counts)),
            Report { ended: Ended::Interrupted, .. } => Err(Failure::Interrupted),
        }
    }
}

/// The inputs' settings, from the hub's usual variable.
pub(crate) fn inputs() -> Inputs {
    #[expect(clippy::disallowed_methods, reason = "the binary is where the environment is read")]
    let offline = env::var("HF_HUB_OFFLINE").unwrap_or_default();
    let is_offline = ["1", "ON", "YES", "TRUE"].contains(&offline.to_uppercase().as_str());
    Inputs::new(inputs::Settings { is_offline, ..inputs::Settings::default() })
}

/// An engine as the command line wants it.
pub(crate) fn engine(compute: &ComputeArgs, inputs: Arc<Inputs>) -> Result<Engine, Failure> {
    let settings = EngineSettings {
        device: device(&compute.device)?,
        threads: compute.threads,
        picture_bytes: compute.picture_memory.saturating_mul(1 << 20),
        cache: compute.picture_cache.clone(),
    };
    if settings.threads == Some(0) {
        let (argument, value) = ("--threads", "0".to_owned());
        return Err(Failure::Argument { argument, value, expected: "a positive number" });
    }
    if let Some(threads) = settings.threads {
        // What is merged outside the engine keeps to the same number. A pool that is there already has it.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    Engine::new(settings, inputs).map_err(|source| Failure::Device { device: compute.device.clone(), source })
}

/// Reads `--device`.
pub(crate) fn device(text: &str) -> Result<DeviceChoice, Failure> {
    let wrong =
        || Failure::Argument { argument: "--device", value: text.to_owned(), expected: "`cpu`, `cuda` or `cuda:N`" };
    match text.split_once(':') {
        None if text == "cpu" => Ok(DeviceChoice::Cpu),
        None if text == "cuda" => Ok(DeviceChoice::Cuda(0)),
        Some(("cuda", number)) => number.parse().map(DeviceChoice::Cuda).map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// A runtime for what waits: jobs are computed on threads of their own.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(Failure::Runtime)
}

/// Opens the store for a command that writes to it.
pub(crate) fn open_store(folder: &Path) -> Result<Store, Failure> {
    Ok(Store::folder(folder)?)
}

/// Opens the store for a command that only reads.
pub(crate) fn existing_store(folder: &Path) -> Result<Store, Failure> {
    Ok(Store::existing_folder(folder)?)
}

fn worker_name() -> String {
    format!("local-{}", process::id())
}
