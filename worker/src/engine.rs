mod adapters;
mod attempt;
mod command;
mod factors;
mod family;
mod heads;
mod layerwise;
mod memory;
mod merges;
mod portion;
mod recent;
mod self_test;
mod session;
mod splits;
mod statistics;
mod train;
mod tune;
mod write;

use crate::{AttemptContext, CommandSettings, Computed, JobError, Metrics, Output, Scores, metrics::Cache};
pub use self_test::EngineSelfTest;

use attempt::{Attempt, EvaluateJob};
use command::CommandSession;
use evaluation::{DeviceChoice, TransferCounts};
use files::FileChanged;
use inputs::Inputs;
use jobs::{Digest, Job, JobSpec, Meaning, TaskInput};
use lru::LruCache;
use session::Session;
use splits::{HeldSplits, SplitBudget};
use std::{collections::BTreeMap, fmt, num::NonZeroUsize, path::PathBuf, sync::Arc};
use tracing::{Span, warn};
use train::{TrainJob, TrainSplits};
use write::WriteJob;

const _: () =
    assert!(evaluation::SEMANTICS == jobs::EVALUATION_SEMANTICS, "job ids name the evaluation that is computed");

/// What an engine computes with.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The device.
    pub device: DeviceChoice,
    /// CPU threads; `None` means one per physical core.
    pub threads: Option<usize>,
    /// Memory for images that stay between jobs.
    pub image_bytes: u64,
    /// A folder for preprocessed images and tokenised texts; `None` keeps them in memory only.
    pub cache: Option<PathBuf>,
    /// Memory that models may take on the CPU; `None` is no limit.
    pub memory_bytes: Option<u64>,
}

/// Why an engine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device does not exist, or the program was built without support for it.
    #[error("the device cannot be opened")]
    Device(#[from] evaluation::ModelError),
    /// The threads cannot be started.
    #[error("{threads} threads cannot be started")]
    Threads {
        /// The number of threads.
        threads: usize,
        /// The error of the thread pool.
        source: rayon::ThreadPoolBuildError,
    },
}

/// Computes jobs on one device, and keeps what jobs share: the base, adapters, alignments, merges, images, heads.
///
/// A new λ costs one scaled addition per matrix, a new density one pass over the aligned adapters. An alignment is
/// computed once per set of adapters and space. All results equal those of a new engine.
pub struct Engine {
    name: String,
    pool: Arc<rayon::ThreadPool>,
    inputs: Arc<Inputs>,
    settings: EngineSettings,
    /// Memory of a device of its own for data that stays between jobs.
    device_bytes: Option<u64>,
    metrics: Metrics,
    sessions: LruCache<Digest, Session>,
    /// The data that sessions hold, within one budget.
    held: HeldSplits,
    /// What evaluations by commands share.
    commands: CommandSession,
    /// What the closed sessions sent to the device and took back.
    past_transfers: TransferCounts,
    /// The last session that was closed because a file of its base changed.
    closed: Option<ClosedSession>,
}

/// A session that was closed, and the file that changed.
struct ClosedSession {
    key: Digest,
    changed: Arc<FileChanged>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("device", &self.name).finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the device and starts the threads.
    ///
    /// # Errors
    /// The device cannot be opened, or the threads cannot be started.
    pub fn new(settings: EngineSettings, inputs: Arc<Inputs>) -> Result<Self, EngineError> {
        // Each base opens the device again. This call fails before any job is taken.
        evaluation::open_device(settings.device)?;
        let threads = settings.threads.unwrap_or_else(num_cpus::get_physical);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("compute-{i}")).build();
        let pool = Arc::new(pool.map_err(|source| EngineError::Threads { threads, source })?);
        let name = match settings.device {
            DeviceChoice::Cpu => {
                let unit = if threads == 1 { "thread" } else { "threads" };
                format!("cpu ({threads} {unit}, {})", evaluation::instructions())
            }
            device @ DeviceChoice::Cuda(_) => device_name(device),
        };
        let metrics = Metrics::default();
        let commands = CommandSession::new(None, &metrics);
        let sessions = LruCache::new(NonZeroUsize::MIN);
        Ok(Self {
            name,
            pool,
            inputs,
            settings,
            device_bytes: None,
            metrics,
            sessions,
            held: HeldSplits::default(),
            commands,
            past_transfers: TransferCounts::default(),
            closed: None,
        })
    }

    /// The same engine, which keeps this many base models with their sessions: those used last, at least one.
    #[must_use]
    pub fn with_model_capacity(mut self, models: usize) -> Self {
        self.sessions.resize(NonZeroUsize::new(models).unwrap_or(NonZeroUsize::MIN));
        self
    }

    /// The same engine, which keeps this much data on its device between jobs, for all bases together; as much as images in the memory
    /// of the processor without this call. On the processor it has no effect.
    #[must_use]
    pub fn with_device_memory(self, bytes: u64) -> Self {
        Self { device_bytes: Some(bytes), ..self }
    }

    fn split_budget(&self) -> SplitBudget {
        let host_bytes = self.settings.image_bytes;
        let device_bytes = match self.settings.device {
            DeviceChoice::Cpu => None,
            DeviceChoice::Cuda(_) => Some(self.device_bytes.unwrap_or(host_bytes)),
        };
        SplitBudget { host_bytes, device_bytes }
    }

    /// The same engine, which counts in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { commands: self.commands.counting_in(&metrics), metrics, ..self }
    }

    /// The same engine, which runs the commands of sweeps with `commands`. Without them it refuses such jobs.
    #[must_use]
    pub fn with_commands(self, commands: Option<CommandSettings>) -> Self {
        Self { commands: CommandSession::new(commands, &self.metrics), ..self }
    }

    /// Whether it runs the commands of sweeps.
    pub fn allows_commands(&self) -> bool {
        self.commands.is_allowed()
    }

    /// The self-test of this machine, which runs without the engine.
    pub fn self_test(&self) -> EngineSelfTest {
        EngineSelfTest { inputs: Arc::clone(&self.inputs), settings: self.settings.clone() }
    }

    /// The device's name, for results. Of a processor it has the instructions that the last bits of numbers may depend on.
    pub fn device(&self) -> &str {
        &self.name
    }

    /// What went to the device and came back since the engine started: nothing where models run on plain slices of the processor.
    pub fn transfers(&self) -> TransferCounts {
        let open = self.sessions.iter().map(|(_, session)| session.transfers());
        open.fold(self.past_transfers, |sum, of| sum + of)
    }

    /// Versions of the programs that decide numbers, by name.
    pub fn versions() -> BTreeMap<String, String> {
        BTreeMap::from([("bowline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
    }

    /// Computes one job.
    ///
    /// # Errors
    /// What is wrong with an input, by name; [`JobError::Interrupted`] once the context is cancelled.
    pub fn compute(&mut self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let pool = Arc::clone(&self.pool);
        let span = Span::current();
        pool.install(|| span.in_scope(|| self.compute_in_pool(job, context)))
    }

    fn compute_in_pool(&mut self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
        let inputs = Arc::clone(&self.inputs);
        let metrics = self.metrics.clone();
        let places = &job.places;
        // The only place that distinguishes the kinds of jobs: each kind has a module of its own.
        match job.spec() {
            JobSpec::Evaluate(meaning) => {
                let mut attempt = Attempt::new(EvaluateJob { meaning, places }, &inputs, context, &metrics);
                if let Some(command) = meaning.benchmark.command() {
                    // All of the device and of the memory is the command's.
                    self.sessions.clear();
                    let scores = self.commands.compute(&mut attempt, command, &self.settings)?;
                    return Ok(attempt.computed(Output::Scores(scores)));
                }
                let (scores, merge) = self.in_session(&mut attempt, Session::compute)?;
                Ok(attempt.computed(Output::Scores(Scores { scores, merge })))
            }
            JobSpec::Statistics(spec) => {
                let meaning = spec.as_evaluation();
                let mut attempt = Attempt::new(EvaluateJob { meaning: &meaning, places }, &inputs, context, &metrics);
                let files = self.in_session(&mut attempt, |session, attempt| session.make_statistics(attempt, spec))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Layerwise(spec) => {
                let meaning = spec.as_evaluation();
                let mut attempt = Attempt::new(EvaluateJob { meaning: &meaning, places }, &inputs, context, &metrics);
                let files = self.in_session(&mut attempt, |session, attempt| session.merge_layerwise(attempt, spec))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Tune(spec) => {
                let meaning = spec.as_evaluation();
                let mut attempt = Attempt::new(EvaluateJob { meaning: &meaning, places }, &inputs, context, &metrics);
                let files = self.in_session(&mut attempt, |session, attempt| session.tune(attempt, spec))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Train(spec) => {
                let splits = TrainSplits::of(spec);
                let job = EvaluateJob { meaning: &splits.training, places };
                let mut attempt = Attempt::new(job, &inputs, context, &metrics);
                let job = TrainJob { spec, splits: &splits };
                let files = self.in_session(&mut attempt, |session, attempt| session.train(attempt, job))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Write(spec) => {
                let mut attempt = Attempt::new(WriteJob { spec, places }, &inputs, context, &metrics);
                let files = write::files(&mut attempt, self.settings.memory_bytes)?;
                Ok(attempt.computed(Output::Files(files)))
            }
        }
    }

    /// Does `work` in the session of the attempt's base.
    fn in_session<'a, T>(
        &mut self,
        attempt: &mut Attempt<'a>,
        work: impl FnOnce(&mut Session, &mut Attempt<'a>) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        let session = self.session(attempt)?;
        let computed = work(session, attempt);
        // If a file changed, what was computed or an error may come from other weights than those that the job names.
        if !matches!(computed, Err(JobError::Interrupted))
            && let Err(changed) = session.check_files()
        {
            let key = session_key(attempt.job.meaning);
            return Err(JobError::FileChanged(self.close_session(key, changed)));
        }
        computed
    }

    fn session(&mut self, attempt: &mut Attempt<'_>) -> Result<&mut Session, JobError> {
        let digest = session_key(attempt.job.meaning);
        if let Some(Err(changed)) = self.sessions.peek(&digest).map(Session::check_files) {
            warn!(%changed, "the base model is opened again");
            self.close_session(digest, changed);
        }
        let is_open = self.sessions.contains(&digest);
        self.metrics.looked_up(Cache::Model, is_open);
        if !is_open {
            // The oldest session is closed first: memory may not hold one more.
            if self.sessions.len() == self.sessions.cap().get() {
                let oldest = self.sessions.pop_lru();
                self.was_closed(oldest.map(|(_, session)| session));
            }
            self.commands.forget();
            let budget = self.split_budget();
            let session = attempt.loading(|attempt| Session::open(attempt, &self.settings, budget, &self.held));
            let session = session.map_err(|error| self.with_file(digest, error))?;
            self.closed = None;
            self.sessions.put(digest, session);
        }
        Ok(self.sessions.get_mut(&digest).expect("the session was opened above"))
    }
}

impl Engine {
    /// Closes the session of a base of which a file changed.
    fn close_session(&mut self, key: Digest, changed: FileChanged) -> Arc<FileChanged> {
        let changed = Arc::new(changed);
        let session = self.sessions.pop(&key);
        self.was_closed(session);
        self.closed = Some(ClosedSession { key, changed: Arc::clone(&changed) });
        changed
    }

    /// Keeps the counts of a session that ends here, so that the sum over all of them never falls.
    fn was_closed(&mut self, session: Option<Session>) {
        self.past_transfers = session.map_or(self.past_transfers, |session| self.past_transfers + session.transfers());
    }

    /// Adds the file that changed to the error of a base whose digest is no longer the expected one.
    fn with_file(&self, key: Digest, error: JobError) -> JobError {
        match (error, &self.closed) {
            (JobError::Changed { place, expected, found, file: None }, Some(closed)) if closed.key == key => {
                JobError::Changed { place, expected, found, file: Some(Arc::clone(&closed.changed)) }
            }
            (error, _) => error,
        }
    }
}

/// The name by which programs know a device.
fn device_name(device: DeviceChoice) -> String {
    match device {
        DeviceChoice::Cpu => "cpu".to_owned(),
        DeviceChoice::Cuda(ordinal) => format!("cuda:{ordinal}"),
    }
}

/// The key of the session that a job uses: jobs with the same base and precision share one.
fn session_key(meaning: &Meaning) -> Digest {
    Digest::of_json(&(meaning.base, meaning.precision))
}

/// The location that belongs to a task, or an error that the job is incomplete.
fn place<'a, T>(places: &'a BTreeMap<String, T>, task: &TaskInput, what: &str) -> Result<&'a T, JobError> {
    let missing = || JobError::Incomplete(format!("it does not locate the {what} of `{}`", task.name));
    places.get(&task.name).ok_or_else(missing)
}
