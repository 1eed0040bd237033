mod attempt;
mod family;
mod heads;
mod memory;
mod merges;
mod proof;
mod recent;
mod session;
mod splits;
mod statistics;
mod tune;
mod write;

use crate::{Computed, JobError, Metrics, Output, Scores, Stop, metrics::Cache};
pub use proof::EngineProof;

use attempt::{Attempt, Evaluated};
use evaluation::DeviceChoice;
use files::FileChanged;
use inputs::Inputs;
use jobs::{Digest, Job, JobSpec, Meaning, TaskInput};
use lru::LruCache;
use session::Session;
use std::{collections::BTreeMap, fmt, num::NonZeroUsize, path::PathBuf, sync::Arc};
use tracing::{Span, warn};
use write::Writing;

const _: () =
    assert!(evaluation::SEMANTICS == jobs::EVALUATION_SEMANTICS, "job ids name the evaluation that is computed");

/// What an engine computes with.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// The device.
    pub device: DeviceChoice,
    /// Threads on the processor; `None` means one for each physical core.
    pub threads: Option<usize>,
    /// Memory for images that are kept between jobs.
    pub image_bytes: u64,
    /// A folder for preprocessed images and tokenised texts; `None` keeps them in memory only.
    pub cache: Option<PathBuf>,
    /// Memory that models may take on the processor; `None` lets the system find out.
    pub memory_bytes: Option<u64>,
}

/// Why an engine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The device is not there, or the program was built without it.
    #[error("the device cannot be opened")]
    Device(#[from] evaluation::ModelError),
    /// The threads cannot be started.
    #[error("{threads} threads cannot be started")]
    Threads {
        /// How many were wanted.
        threads: usize,
        /// What the system says.
        source: rayon::ThreadPoolBuildError,
    },
}

/// Computes jobs on one device, and keeps what jobs share: the base, adapters, alignments, merges, images, heads.
///
/// λ costs a scale, a density one pass over the aligned adapters; an alignment is computed once for each set of adapters
/// and space. All results are those that a fresh engine gives.
pub struct Engine {
    name: String,
    pool: Arc<rayon::ThreadPool>,
    inputs: Arc<Inputs>,
    settings: EngineSettings,
    metrics: Metrics,
    sessions: LruCache<Digest, Session>,
    /// The session that was dropped last since a file of its base changed, and which file that is.
    changed: Option<(Digest, Arc<FileChanged>)>,
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
    /// The device is not there, or the threads cannot be started.
    pub fn new(settings: EngineSettings, inputs: Arc<Inputs>) -> Result<Self, EngineError> {
        // Opened again for every base; this is to fail before any job is taken.
        evaluation::open_device(settings.device)?;
        let threads = settings.threads.unwrap_or_else(num_cpus::get_physical);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("compute-{i}")).build();
        let pool = Arc::new(pool.map_err(|source| EngineError::Threads { threads, source })?);
        let name = match settings.device {
            DeviceChoice::Cpu => format!("cpu ({threads} {})", if threads == 1 { "thread" } else { "threads" }),
            DeviceChoice::Cuda(ordinal) => format!("cuda:{ordinal}"),
        };
        let (metrics, sessions) = (Metrics::default(), LruCache::new(NonZeroUsize::MIN));
        Ok(Self { name, pool, inputs, settings, metrics, sessions, changed: None })
    }

    /// The same engine, which keeps this many base models with all that belongs to them: those used last, at least one.
    #[must_use]
    pub fn keeping(mut self, models: usize) -> Self {
        self.sessions.resize(NonZeroUsize::new(models).unwrap_or(NonZeroUsize::MIN));
        self
    }

    /// The same engine, which counts in `metrics`.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// What shows that this machine can do a job, apart from the engine.
    pub fn proof(&self) -> EngineProof {
        EngineProof { inputs: Arc::clone(&self.inputs), settings: self.settings.clone() }
    }

    /// The device's name, for results.
    pub fn device(&self) -> &str {
        &self.name
    }

    /// Versions of the programs that decide numbers, by name.
    pub fn versions() -> BTreeMap<String, String> {
        BTreeMap::from([("bowline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())])
    }

    /// Computes one job.
    ///
    /// # Errors
    /// Whatever is wrong with an input, by name; [`JobError::Interrupted`] once `stop` is requested.
    pub fn compute(&mut self, job: &Job, stop: &Stop) -> Result<Computed, JobError> {
        let (pool, span) = (Arc::clone(&self.pool), Span::current());
        pool.install(|| span.in_scope(|| self.compute_here(job, stop)))
    }

    fn compute_here(&mut self, job: &Job, stop: &Stop) -> Result<Computed, JobError> {
        let inputs = Arc::clone(&self.inputs);
        let metrics = self.metrics.clone();
        let places = &job.places;
        // The one place where kinds of jobs are told apart: each has a module of its own.
        match &job.spec {
            JobSpec::Evaluate(meaning) => {
                let mut attempt = Attempt::new(Evaluated { meaning, places }, &inputs, stop, &metrics);
                let (scores, merge) = self.in_session(&mut attempt, Session::compute)?;
                Ok(attempt.computed(Output::Scores(Scores { scores, merge })))
            }
            JobSpec::Statistics(spec) => {
                let meaning = spec.as_evaluation();
                let mut attempt = Attempt::new(Evaluated { meaning: &meaning, places }, &inputs, stop, &metrics);
                let files = self.in_session(&mut attempt, |session, attempt| session.make_statistics(attempt, spec))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Tune(spec) => {
                let meaning = spec.as_evaluation();
                let mut attempt = Attempt::new(Evaluated { meaning: &meaning, places }, &inputs, stop, &metrics);
                let files = self.in_session(&mut attempt, |session, attempt| session.tune(attempt, spec))?;
                Ok(attempt.computed(Output::Files(files)))
            }
            JobSpec::Write(spec) => {
                let mut attempt = Attempt::new(Writing { spec, places }, &inputs, stop, &metrics);
                let files = write::files(&mut attempt)?;
                Ok(attempt.computed(Output::Files(files)))
            }
        }
    }

    /// Does `work` in the session of the attempt's base.
    fn in_session<T>(
        &mut self,
        attempt: &mut Attempt<'_>,
        work: impl FnOnce(&mut Session, &mut Attempt<'_>) -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        let session = self.session(attempt)?;
        let computed = work(session, attempt);
        // Whatever was computed, or went wrong, may come of other weights than those that the job names.
        if !matches!(computed, Err(JobError::Interrupted))
            && let Err(changed) = session.check_files()
        {
            let key = session_key(attempt.job.meaning);
            return Err(JobError::FileChanged(self.drop_session(key, changed)));
        }
        computed
    }

    fn session(&mut self, attempt: &mut Attempt<'_>) -> Result<&mut Session, JobError> {
        let digest = session_key(attempt.job.meaning);
        if let Some(Err(changed)) = self.sessions.peek(&digest).map(Session::check_files) {
            warn!(%changed, "the base model is opened anew");
            self.drop_session(digest, changed);
        }
        let is_open = self.sessions.contains(&digest);
        self.metrics.looked(Cache::Model, is_open);
        if !is_open {
            // The oldest goes first: one more need not fit.
            if self.sessions.len() == self.sessions.cap().get() {
                self.sessions.pop_lru();
            }
            let session = attempt.loading(|attempt| Session::open(attempt, &self.settings));
            let session = session.map_err(|error| self.with_file(digest, error))?;
            self.changed = None;
            self.sessions.put(digest, session);
        }
        Ok(self.sessions.get_mut(&digest).expect("it was just made"))
    }
}

impl Engine {
    /// Lets go of a base of which a file changed, and of all that was made with it.
    fn drop_session(&mut self, session: Digest, changed: FileChanged) -> Arc<FileChanged> {
        let changed = Arc::new(changed);
        self.sessions.pop(&session);
        self.changed = Some((session, Arc::clone(&changed)));
        changed
    }

    /// The error of a base that is another than it was, with the file that was seen to change.
    fn with_file(&self, session: Digest, error: JobError) -> JobError {
        match (error, &self.changed) {
            (JobError::Changed { place, expected, found, file: None }, Some((of, changed))) if *of == session => {
                JobError::Changed { place, expected, found, file: Some(Arc::clone(changed)) }
            }
            (error, _) => error,
        }
    }
}

/// What jobs have in common that share a session.
fn session_key(meaning: &Meaning) -> Digest {
    Digest::of_json(&(meaning.base, meaning.precision))
}

/// The task's own places, or why the job is not complete.
fn place<'a, T>(places: &'a BTreeMap<String, T>, task: &TaskInput, what: &str) -> Result<&'a T, JobError> {
    let missing = || JobError::Incomplete(format!("it says nothing of the {what} of `{}`", task.name));
    places.get(&task.name).ok_or_else(missing)
}
