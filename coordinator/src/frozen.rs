use jobs::{
    AdapterInput, Benchmark, BenchmarkInput, Digest, EVALUATION_SEMANTICS, HeadSpec, InputLocations, InputRef, Job,
    JobSpec, JointHeadSpec, Manifest, Meaning, MergeNames, Recipe, STATISTICS_SEMANTICS, StatisticsKind,
    StatisticsSpec, Subject, Sweep, Task, TaskInput, WRITE_SEMANTICS, WriteFormat, WriteSpec,
};
use std::collections::BTreeMap;

/// A sweep whose inputs are known by content: it can name its jobs.
///
/// Built from the sweep and the digests of its inputs, without a look at any file, so that a stored [`Manifest`] is
/// enough to get one.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    sweep: Sweep,
    revision: u32,
    digests: BTreeMap<String, Digest>,
    commits: BTreeMap<String, String>,
    base: Digest,
    adapters: Vec<AdapterInput>,
    /// The tasks' inputs by split.
    tasks: BTreeMap<String, Vec<TaskInput>>,
    benchmark: BenchmarkInput,
    places: InputLocations,
}

/// The inputs that were given do not make up the sweep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrozenError {
    /// An input has no digest.
    #[error("the sweep `{sweep}` has no digest of `{key}`")]
    Digest {
        /// The sweep.
        sweep: String,
        /// The input: `base`, `adapters.mnist`, `data.mnist.test`, `heads.mnist`, `joint`.
        key: String,
    },
    /// The manifest was written by another version of the program.
    #[error("the manifest of the sweep `{sweep}` has version {found}, and this program reads version {expected}")]
    Version {
        /// The sweep.
        sweep: String,
        /// Its version.
        found: u32,
        /// The version that is read here.
        expected: u32,
    },
}

impl Frozen {
    /// The sweep with its inputs' `digests`, by what they are (see [`Manifest::digests`]; the joint head is `joint`),
    /// and the `commits` that its hub inputs were resolved to, by input. Jobs name these commits, so that a worker
    /// does not see a branch that has moved on.
    ///
    /// # Errors
    /// An input without a digest.
    pub fn new(
        sweep: Sweep,
        digests: BTreeMap<String, Digest>,
        commits: BTreeMap<String, String>,
    ) -> Result<Self, FrozenError> {
        let digest = |key: String| match digests.get(&key) {
            Some(digest) => Ok(*digest),
            None => Err(FrozenError::Digest { sweep: sweep.name.clone(), key }),
        };
        let adapter = |task: &Task| {
            Ok(AdapterInput { task: task.name.clone(), digest: digest(format!("adapters.{}", task.name))? })
        };
        let adapters = sweep.tasks.iter().map(adapter).collect::<Result<_, FrozenError>>()?;
        let benchmark = match &sweep.evaluation.benchmark {
            Benchmark::PerTask => BenchmarkInput::PerTask,
            Benchmark::Joint { .. } => BenchmarkInput::Joint { head: digest("joint".to_owned())? },
        };
        let task_input = |task: &Task, split: &str| {
            let head = match benchmark {
                BenchmarkInput::PerTask => Some(digest(format!("heads.{}", task.name))?),
                BenchmarkInput::Joint { .. } => None,
            };
            Ok(TaskInput { name: task.name.clone(), data: digest(format!("data.{}.{split}", task.name))?, head })
        };
        let tasks = sweep.splits().into_iter().map(|split| {
            let inputs = sweep.tasks.iter().map(|task| task_input(task, split));
            Ok((split.to_owned(), inputs.collect::<Result<_, FrozenError>>()?))
        });
        let (base, tasks) = (digest("base".to_owned())?, tasks.collect::<Result<_, FrozenError>>()?);
        let places = places(&sweep, &commits);
        Ok(Self { sweep, revision: 1, digests, commits, base, adapters, tasks, benchmark, places })
    }

    /// The sweep of a stored manifest.
    ///
    /// # Errors
    /// A manifest of another version or one that lacks a digest.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self, FrozenError> {
        let Manifest { version, revision, sweep, digests, commits, .. } = manifest;
        if !manifest.is_readable() {
            let (sweep, found) = (sweep.name.clone(), *version);
            return Err(FrozenError::Version { sweep, found, expected: Manifest::VERSION });
        }
        Ok(Self::new(sweep.clone(), digests.clone(), commits.clone())?.at_revision(*revision))
    }

    /// The same as the revision `number` of its sweep; the first unless told otherwise.
    #[must_use]
    pub fn at_revision(self, number: u32) -> Self {
        Self { revision: number, ..self }
    }

    /// The same sweep under another name: the same inputs, hence the same jobs.
    #[must_use]
    pub fn renamed(mut self, name: impl Into<String>) -> Self {
        self.sweep.name = name.into();
        self
    }

    /// The sweep.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// The number of its revision.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// The content of the base model.
    pub fn base(&self) -> Digest {
        self.base
    }

    /// The digests of the inputs, by what they are.
    pub fn digests(&self) -> &BTreeMap<String, Digest> {
        &self.digests
    }

    /// The commits that hub inputs were resolved to, by input.
    pub fn commits(&self) -> &BTreeMap<String, String> {
        &self.commits
    }

    /// What is stored of the sweep when it starts.
    pub fn manifest(&self, versions: BTreeMap<String, String>) -> Manifest {
        Manifest {
            version: Manifest::VERSION,
            revision: self.revision,
            begun_ms: None,
            changes: Vec::new(),
            sweep: self.sweep.clone(),
            digests: self.digests.clone(),
            commits: self.commits.clone(),
            versions,
        }
    }

    /// What decides the outcome of `subject` on `split`, one of the sweep's two.
    ///
    /// A single adapter takes part alone and is evaluated on its own task; the base model on all tasks without any
    /// adapter; a merge has all adapters and all tasks.
    pub fn meaning(&self, subject: Subject, split: &str) -> Meaning {
        let is_own = |task: &str| match &subject {
            Subject::Adapter { task: own } => task == own,
            Subject::Base | Subject::Merge { .. } => true,
        };
        let adapters = match &subject {
            Subject::Base => Vec::new(),
            _ => self.adapters.iter().filter(|adapter| is_own(&adapter.task)).cloned().collect(),
        };
        let tasks = self.tasks.get(split).into_iter().flatten().filter(|task| is_own(&task.name)).cloned().collect();
        Meaning {
            evaluation: EVALUATION_SEMANTICS,
            base: self.base,
            adapters,
            tasks,
            benchmark: self.benchmark.clone(),
            split: split.to_owned(),
            precision: self.sweep.evaluation.precision,
            subject,
        }
    }

    /// Whether `meaning` is that of a job over these inputs, as this program evaluates them: with another base, other adapters
    /// or other data, as an earlier revision may have had them, it is not.
    ///
    /// Whether the sweep wants the job is another question.
    pub fn is_over(&self, meaning: &Meaning) -> bool {
        self.tasks.contains_key(&meaning.split) && self.meaning(meaning.subject.clone(), &meaning.split) == *meaning
    }

    /// What writes the merge of all adapters that `recipe` describes.
    pub fn writing(&self, recipe: &Recipe, format: WriteFormat) -> WriteSpec {
        let hub = match &self.places.base {
            InputRef::Hub(hub) => Some(hub),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        let origin = |adapter: &AdapterInput| self.places.adapters.get(&adapter.task).map(InputRef::short_name);
        WriteSpec {
            semantics: WRITE_SEMANTICS,
            base: self.base,
            adapters: self.adapters.clone(),
            recipe: recipe.clone(),
            format,
            names: MergeNames {
                base_model: hub.map(|hub| hub.repository.clone()),
                revision: hub.and_then(|hub| hub.revision.clone()),
                adapters: self.adapters.iter().filter_map(origin).collect(),
            },
        }
    }

    /// What makes statistics of a task's own model over the first `examples` of a split; `None` if the sweep has no such
    /// task or split.
    pub fn statistics(&self, task: &str, split: &str, examples: u64, what: StatisticsKind) -> Option<StatisticsSpec> {
        let adapter = self.adapters.iter().find(|adapter| adapter.task == task)?;
        let input = self.tasks.get(split)?.iter().find(|input| input.name == task)?;
        Some(StatisticsSpec {
            semantics: STATISTICS_SEMANTICS,
            evaluation: EVALUATION_SEMANTICS,
            base: self.base,
            adapter: adapter.clone(),
            data: input.data,
            head: input.head.filter(|_| what == StatisticsKind::Fisher),
            split: split.to_owned(),
            examples,
            what,
            precision: self.sweep.evaluation.precision,
        })
    }

    /// Whether `spec` is of a job over these inputs, as this program makes it; see [`is_over`](Self::is_over).
    pub fn is_of(&self, spec: &JobSpec) -> bool {
        match spec {
            JobSpec::Evaluate(meaning) => self.is_over(meaning),
            JobSpec::Write(spec) => self.writing(&spec.recipe, spec.format) == *spec,
            JobSpec::Statistics(spec) => {
                self.statistics(&spec.adapter.task, &spec.split, spec.examples, spec.what).as_ref() == Some(spec)
            }
        }
    }

    /// The job of `spec`, with the places of the inputs it needs.
    pub fn job(&self, spec: impl Into<JobSpec>) -> Job {
        match spec.into() {
            JobSpec::Evaluate(meaning) => self.evaluation(meaning),
            JobSpec::Statistics(spec) => {
                let Job { places, .. } = self.evaluation(spec.as_evaluation());
                Job::new(spec, places)
            }
            // All adapters take part; nothing is evaluated.
            spec @ JobSpec::Write(_) => {
                let InputLocations { base, adapters, .. } = self.places.clone();
                Job::new(spec, InputLocations::of_model(base, adapters))
            }
        }
    }

    fn evaluation(&self, meaning: Meaning) -> Job {
        let takes_part = |task: &str| meaning.adapters.iter().any(|adapter| adapter.task == task);
        let is_evaluated = |task: &str| meaning.tasks.iter().any(|input| input.name == task);
        let mut places = self.places.clone();
        places.adapters.retain(|task, _| takes_part(task));
        places.data.retain(|task, _| is_evaluated(task));
        // A joint head that is made from class names needs those of all tasks.
        let needs_all = self.benchmark != BenchmarkInput::PerTask;
        places.heads.retain(|task, _| needs_all || is_evaluated(task));
        Job::new(meaning, places)
    }
}

fn places(sweep: &Sweep, commits: &BTreeMap<String, String>) -> InputLocations {
    let named = |task: &Task| task.name.clone();
    let data = |task: &Task| {
        let mut data = task.data.clone();
        data.source = pinned(&data.source, commits);
        data.splits.values_mut().for_each(|rule| {
            rule.indices = rule.indices.as_ref().map(|indices| pinned(indices, commits));
        });
        data
    };
    let head = |head: &HeadSpec| match head {
        HeadSpec::File(file) => HeadSpec::File(pinned(file, commits)),
        HeadSpec::Adapter(adapter) => HeadSpec::Adapter(pinned(adapter, commits)),
        prompts @ HeadSpec::Prompts { .. } => prompts.clone(),
    };
    let joint = match &sweep.evaluation.benchmark {
        Benchmark::Joint { files: Some(files) } => {
            Some(JointHeadSpec { head: pinned(&files.head, commits), map: pinned(&files.map, commits) })
        }
        _ => None,
    };
    // A joint head from files replaces the tasks' own.
    let heads = sweep.tasks.iter().filter(|_| joint.is_none());
    InputLocations {
        base: pinned(&sweep.base, commits),
        adapters: sweep.tasks.iter().map(|task| (named(task), pinned(&task.adapter, commits))).collect(),
        data: sweep.tasks.iter().map(|task| (named(task), data(task))).collect(),
        heads: heads.filter_map(|task| Some((named(task), head(task.head.as_ref()?)))).collect(),
        joint,
    }
}

/// A hub reference at the commit that it was resolved to.
fn pinned(reference: &InputRef, commits: &BTreeMap<String, String>) -> InputRef {
    match (reference, commits.get(&reference.to_string())) {
        (InputRef::Hub(hub), Some(commit)) => {
            InputRef::Hub(jobs::HubRef { revision: Some(commit.clone()), ..hub.clone() })
        }
        _ => reference.clone(),
    }
}
