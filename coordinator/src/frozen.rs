mod locations;
mod training;

pub use training::TrainingError;

use jobs::{
    AdapterInput, Benchmark, BenchmarkInput, Digest, InputLocations, InputRef, Job, JobId, JobSpec,
    LAYERWISE_SEMANTICS, LayerwiseSettings, LayerwiseSpec, Manifest, Meaning, MergeNames, Precision, Recipe,
    STATISTICS_SEMANTICS, StatisticsInput, StatisticsKind, StatisticsNeed, StatisticsSpec, Subject, Sweep,
    TUNE_SEMANTICS, Task, TaskInput, TrainSpec, TuneSettings, TuneSpec, WRITE_SEMANTICS, WriteFormat, WriteSpec,
};
use locations::locations;
use std::collections::BTreeMap;
use training::TrainedTasks;

/// A frozen sweep: the digests of its inputs are known, so that its jobs have ids.
///
/// It is made from the sweep and the digests of its inputs, without reading any file. A stored [`Manifest`] is enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    sweep: Sweep,
    revision: u32,
    digests: BTreeMap<String, Digest>,
    commits: BTreeMap<String, String>,
    base: Digest,
    precision: Precision,
    adapters: Vec<AdapterInput>,
    /// The tasks' inputs by split.
    tasks: BTreeMap<String, Vec<TaskInput>>,
    benchmark: BenchmarkInput,
    locations: InputLocations,
    /// The jobs that train adapters, by task.
    training: TrainedTasks,
    /// Statistics that are made although no recipe merges by them.
    other_statistics: Vec<StatisticsNeed>,
}

/// Why a sweep and digests do not make a frozen sweep.
#[derive(Debug, thiserror::Error)]
pub enum FrozenError {
    /// An input has no digest.
    #[error("the sweep `{sweep}` has no digest of `{key}`")]
    Digest {
        /// The sweep.
        sweep: String,
        /// The input: `base`, `adapters.mnist`, `data.mnist.test`, `heads.mnist`, `joint`, `command.eval.py`.
        key: String,
    },
    /// The settings of training cannot be followed.
    #[error("the sweep `{sweep}` cannot train the adapter of `{task}`")]
    Training {
        /// The sweep.
        sweep: String,
        /// The task.
        task: String,
        /// What is wrong.
        source: TrainingError,
    },
    /// The precision depends on a device.
    #[error("the sweep `{sweep}` has `evaluation.precision: auto`, and its jobs need `f32`, `bf16` or `f16`")]
    Precision {
        /// The sweep.
        sweep: String,
    },
}

impl Frozen {
    /// The sweep with the `digests` of its inputs, by what they are (see [`Manifest::digests`]; the joint head is
    /// `joint`), and the `commits` that its hub inputs were resolved to, by input. Jobs name these commits, so that a
    /// worker does not read a newer state of a branch.
    ///
    /// # Errors
    /// An input without a digest, or a precision that is not [stated](Sweep::with_stated_precision).
    pub fn new(
        sweep: Sweep,
        digests: BTreeMap<String, Digest>,
        commits: BTreeMap<String, String>,
    ) -> Result<Self, FrozenError> {
        let digest = |key: String| match digests.get(&key) {
            Some(digest) => Ok(*digest),
            None => Err(FrozenError::Digest { sweep: sweep.name.clone(), key }),
        };
        let base = digest("base".to_owned())?;
        let training = TrainedTasks::of(&sweep, base, &commits, &digest)?;
        let adapter = |task: &Task| {
            let digest = match training.adapter(&task.name) {
                // The id of the job that finishes it decides it as its content would, and is known before.
                Some(job) => job.digest(),
                None => digest(format!("adapters.{}", task.name))?,
            };
            Ok(AdapterInput { task: task.name.clone(), digest })
        };
        let adapters = sweep.tasks.iter().map(adapter).collect::<Result<_, FrozenError>>()?;
        let benchmark = match &sweep.evaluation.benchmark {
            Benchmark::PerTask => BenchmarkInput::PerTask,
            Benchmark::Joint { .. } => BenchmarkInput::Joint { head: digest("joint".to_owned())? },
            Benchmark::Command(command) => {
                let content = |name: &String| Ok((name.clone(), digest(format!("command.{name}"))?));
                let files = command.files.keys().map(content).collect::<Result<_, FrozenError>>()?;
                BenchmarkInput::Command(Box::new(command.input(digest("base.files".to_owned())?, files)))
            }
        };
        let task_input = |task: &Task, split: &str| {
            let head = match &benchmark {
                BenchmarkInput::PerTask => Some(match training.head(&task.name) {
                    Some(job) => job.digest(),
                    None => digest(format!("heads.{}", task.name))?,
                }),
                BenchmarkInput::Joint { .. } | BenchmarkInput::Command(_) => None,
            };
            Ok(TaskInput { name: task.name.clone(), data: digest(format!("data.{}.{split}", task.name))?, head })
        };
        let tasks = sweep.data_splits().into_iter().map(|split| {
            let inputs = sweep.tasks.iter().map(|task| task_input(task, split));
            Ok((split.to_owned(), inputs.collect::<Result<_, FrozenError>>()?))
        });
        let tasks = tasks.collect::<Result<_, FrozenError>>()?;
        let precision = sweep.evaluation.precision.stated();
        let precision = precision.ok_or_else(|| FrozenError::Precision { sweep: sweep.name.clone() })?;
        let locations = locations(&sweep, &commits, &training);
        Ok(Self {
            sweep,
            revision: 1,
            digests,
            commits,
            base,
            precision,
            adapters,
            tasks,
            benchmark,
            locations,
            training,
            other_statistics: Vec::new(),
        })
    }

    /// The sweep of a stored manifest.
    ///
    /// # Errors
    /// A manifest without a digest of an input.
    pub fn from_manifest(manifest: &Manifest) -> Result<Self, FrozenError> {
        let Manifest { revision, sweep, digests, commits, .. } = manifest;
        Ok(Self::new(sweep.clone(), digests.clone(), commits.clone())?.at_revision(*revision))
    }

    /// The same sweep as revision `number`. Without this call it is the first revision.
    #[must_use]
    pub fn at_revision(self, number: u32) -> Self {
        Self { revision: number, ..self }
    }

    /// The same sweep, whose jobs make these statistics as well. It is not part of what is stored of a sweep.
    #[must_use]
    pub fn also_making(mut self, statistics: StatisticsNeed) -> Self {
        if !self.other_statistics.contains(&statistics) {
            self.other_statistics.push(statistics);
        }
        self
    }

    /// The statistics that the sweep's jobs make, each once.
    pub fn statistics_needs(&self) -> Vec<StatisticsNeed> {
        let mut needs = self.sweep.statistics_needs();
        for need in &self.other_statistics {
            if !needs.contains(need) {
                needs.push(*need);
            }
        }
        needs
    }

    /// The same sweep under another name. It has the same inputs, and therefore the same jobs.
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

    /// The digest of the base model.
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

    /// The manifest of the sweep, without a beginning and changes.
    pub fn manifest(&self, versions: BTreeMap<String, String>) -> Manifest {
        Manifest {
            revision: self.revision,
            begun_ms: None,
            changes: Vec::new(),
            sweep: self.sweep.clone(),
            digests: self.digests.clone(),
            commits: self.commits.clone(),
            versions,
        }
    }

    /// Everything that decides the result of `subject` on `split`, which is one of the sweep's two.
    ///
    /// The base model is evaluated on all tasks without adapters, a single adapter on its own task only, and a merge or an
    /// ensemble of all adapters on all tasks.
    pub fn meaning(&self, subject: Subject, split: &str) -> Meaning {
        self.meaning_of(subject, split, |_| true)
    }

    /// The same of a merge of some of the adapters, by a recipe for all of them. It is evaluated on the tasks of these
    /// adapters.
    pub fn subset_meaning(&self, recipe: &Recipe, split: &str, tasks: &[String]) -> Meaning {
        let subject = Subject::Merge { recipe: Box::new(recipe.for_tasks(tasks)) };
        self.meaning_of(subject, split, |task| tasks.iter().any(|member| member == task))
    }

    /// Everything that decides the result of `subject` on `split`, if the tasks for which `is_member` holds were all.
    fn meaning_of(&self, subject: Subject, split: &str, is_member: impl Fn(&str) -> bool) -> Meaning {
        let is_own = |task: &str| match &subject {
            Subject::Adapter { task: own } => task == own,
            Subject::Base | Subject::Merge { .. } | Subject::Ensemble { .. } => is_member(task),
        };
        let adapters = match &subject {
            Subject::Base => Vec::new(),
            _ => self.adapters.iter().filter(|adapter| is_own(&adapter.task)).cloned().collect(),
        };
        let tasks = self.tasks.get(split).into_iter().flatten().filter(|task| is_own(&task.name)).cloned().collect();
        let statistics = match &subject {
            Subject::Merge { recipe } => self.statistics_inputs(recipe, is_own),
            Subject::Base | Subject::Adapter { .. } | Subject::Ensemble { .. } => Vec::new(),
        };
        Meaning {
            evaluation: jobs::evaluation_semantics(self.precision),
            base: self.base,
            adapters,
            tasks,
            benchmark: self.benchmark.clone(),
            split: split.to_owned(),
            precision: self.precision,
            statistics,
            slice: None,
            subject,
        }
    }

    /// Whether an evaluation has the inputs of this sweep and is evaluated as this program does it. An earlier revision
    /// may have had another base, other adapters or other data.
    ///
    /// The sweep may have these inputs and still not need the job.
    pub fn has_inputs_of(&self, meaning: &Meaning) -> bool {
        let Meaning { split, subject, adapters, .. } = meaning;
        let expected = match subject {
            Subject::Merge { recipe } if adapters.len() < self.adapters.len() => {
                let tasks: Vec<String> = adapters.iter().map(|adapter| adapter.task.clone()).collect();
                self.subset_meaning(recipe, split, &tasks)
            }
            _ => self.meaning(subject.clone(), split),
        };
        self.tasks.contains_key(split) && expected == meaning.whole()
    }

    /// The specification of the job that writes the merge of all adapters by `recipe`.
    pub fn write_spec(&self, recipe: &Recipe, format: WriteFormat) -> WriteSpec {
        let hub = match &self.locations.base {
            InputRef::Hub(hub) => Some(hub),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        // Of an adapter that was trained here, the name of its task says all.
        let origin = |adapter: &AdapterInput| match self.locations.adapters.get(&adapter.task)? {
            InputRef::Artefact(_) => Some(adapter.task.clone()),
            place @ (InputRef::Hub(_) | InputRef::S3(_) | InputRef::Path(_)) => Some(place.short_name()),
        };
        WriteSpec {
            semantics: WRITE_SEMANTICS,
            base: self.base,
            adapters: self.adapters.clone(),
            recipe: Box::new(recipe.clone()),
            statistics: self.statistics_inputs(recipe, |_| true),
            format,
            names: MergeNames {
                base_model: hub.map(|hub| hub.repository.clone()),
                revision: hub.and_then(|hub| hub.revision.clone()),
                adapters: self.adapters.iter().filter_map(origin).collect(),
            },
        }
    }

    /// The jobs that make the statistics that a merge needs, in the order of the adapters; none for most recipes.
    pub fn statistics_specs(&self, need: StatisticsNeed) -> Vec<StatisticsSpec> {
        let StatisticsNeed { what, examples } = need;
        let split = self.sweep.statistics_split();
        let spec = |adapter: &AdapterInput| self.statistics(&adapter.task, split, examples, what);
        self.adapters.iter().filter_map(spec).collect()
    }

    /// The statistics that a merge of the adapters of some tasks needs.
    fn statistics_inputs(&self, recipe: &Recipe, is_member: impl Fn(&str) -> bool) -> Vec<StatisticsInput> {
        if let Some(settings) = recipe.layerwise() {
            // One job makes the merge of all of them, and each names it.
            let Some(spec) = self.layerwise_spec(&settings, is_member) else { return Vec::new() };
            let tasks: Vec<String> = spec.adapters.iter().map(|adapter| adapter.task.clone()).collect();
            let job = JobSpec::from(spec).id();
            return tasks.into_iter().map(|task| StatisticsInput { task, job }).collect();
        }
        let mut specs = recipe.statistics().map(|need| self.statistics_specs(need)).unwrap_or_default();
        specs.retain(|spec| is_member(&spec.adapter.task));
        let input =
            |spec: StatisticsSpec| StatisticsInput { task: spec.adapter.task.clone(), job: JobSpec::from(spec).id() };
        specs.into_iter().map(input).collect()
    }

    /// What makes statistics of a task's own model over the first `examples` of a split; `None` if the sweep has no such
    /// task or split.
    pub fn statistics(&self, task: &str, split: &str, examples: u64, what: StatisticsKind) -> Option<StatisticsSpec> {
        let adapter = self.adapters.iter().find(|adapter| adapter.task == task)?;
        let input = self.tasks.get(split)?.iter().find(|input| input.name == task)?;
        Some(StatisticsSpec {
            semantics: STATISTICS_SEMANTICS,
            evaluation: jobs::evaluation_semantics(self.precision),
            base: self.base,
            adapter: adapter.clone(),
            data: input.data,
            head: input.head.filter(|_| what == StatisticsKind::Fisher),
            split: split.to_owned(),
            examples,
            what,
            precision: self.precision,
        })
    }

    /// What merges the adapters of some tasks layer by layer; `None` if the sweep lacks the split that statistics are made of.
    pub fn layerwise_spec(
        &self,
        settings: &LayerwiseSettings,
        is_member: impl Fn(&str) -> bool,
    ) -> Option<LayerwiseSpec> {
        let split = self.sweep.statistics_split();
        let tasks = self.tasks.get(split)?.iter().filter(|task| is_member(&task.name));
        Some(LayerwiseSpec {
            semantics: LAYERWISE_SEMANTICS,
            statistics: STATISTICS_SEMANTICS,
            evaluation: jobs::evaluation_semantics(self.precision),
            base: self.base,
            adapters: self.adapters.iter().filter(|adapter| is_member(&adapter.task)).cloned().collect(),
            // No label is used.
            tasks: tasks.map(|task| TaskInput { head: None, ..task.clone() }).collect(),
            split: split.to_owned(),
            settings: settings.clone(),
            precision: self.precision,
        })
    }

    /// What learns the coefficients of all adapters on a split, on all examples or the first of them; `None` if the sweep has no
    /// such split.
    pub fn tune_spec(&self, split: &str, examples: Option<u64>, settings: &TuneSettings) -> Option<TuneSpec> {
        Some(TuneSpec {
            semantics: TUNE_SEMANTICS,
            evaluation: jobs::EVALUATION_SEMANTICS,
            base: self.base,
            adapters: self.adapters.clone(),
            tasks: self.tasks.get(split)?.clone(),
            split: split.to_owned(),
            examples,
            settings: settings.clone(),
        })
    }

    /// Whether a job of any kind has the inputs of this sweep; see [`has_inputs_of`](Self::has_inputs_of).
    pub fn has_inputs_of_job(&self, spec: &JobSpec) -> bool {
        match spec {
            JobSpec::Evaluate(meaning) => self.has_inputs_of(meaning),
            JobSpec::Write(spec) => self.write_spec(&spec.recipe, spec.format) == *spec,
            JobSpec::Statistics(spec) => {
                self.statistics(&spec.adapter.task, &spec.split, spec.examples, spec.what).as_ref() == Some(spec)
            }
            JobSpec::Layerwise(spec) => {
                let is_member = |task: &str| spec.adapters.iter().any(|adapter| adapter.task == task);
                self.layerwise_spec(&spec.settings, is_member).as_ref() == Some(spec)
            }
            JobSpec::Tune(spec) => self.tune_spec(&spec.split, spec.examples, &spec.settings).as_ref() == Some(spec),
            JobSpec::Train(spec) => self.training.has_leg(spec),
        }
    }

    /// The jobs that train the adapter of a task, leg by leg; none for an adapter that is there.
    pub fn train_specs(&self, task: &str) -> &[TrainSpec] {
        self.training.legs(task)
    }

    /// The job that finishes the adapter of a task, if the sweep trains it.
    pub fn trained_by(&self, task: &str) -> Option<JobId> {
        self.training.adapter(task)
    }

    /// The same, if that adapter brings the head that the task is evaluated with.
    pub fn head_trained_by(&self, task: &str) -> Option<JobId> {
        self.training.head(task)
    }

    /// The job of `spec`, with the locations of the inputs that it needs.
    pub fn job(&self, spec: impl Into<JobSpec>) -> Job {
        match spec.into() {
            JobSpec::Evaluate(meaning) => self.evaluation(meaning),
            JobSpec::Statistics(spec) => {
                let Job { places, .. } = self.evaluation(spec.as_evaluation());
                Job::new(spec, places)
            }
            JobSpec::Layerwise(spec) => {
                let Job { places, .. } = self.evaluation(spec.as_evaluation());
                Job::new(spec, places)
            }
            JobSpec::Tune(spec) => {
                let Job { places, .. } = self.evaluation(spec.as_evaluation());
                Job::new(spec, places)
            }
            JobSpec::Train(spec) => {
                let Job { mut places, .. } = self.evaluation(spec.as_evaluation(&spec.training));
                // The head that training starts from, which is not always the one that is evaluated with.
                places.heads = self.training.start(&spec.task).into_iter().collect();
                places.joint = None;
                Job::new(*spec, places)
            }
            // A write needs all adapters, and neither data nor heads.
            spec @ JobSpec::Write(_) => {
                let InputLocations { base, adapters, .. } = self.locations.clone();
                Job::new(spec, InputLocations::of_model(base, adapters))
            }
        }
    }

    fn evaluation(&self, meaning: Meaning) -> Job {
        let takes_part = |task: &str| meaning.adapters.iter().any(|adapter| adapter.task == task);
        let is_evaluated = |task: &str| meaning.tasks.iter().any(|input| input.name == task);
        let mut locations = self.locations.clone();
        locations.adapters.retain(|task, _| takes_part(task));
        locations.data.retain(|task, _| is_evaluated(task));
        // A joint head that is made from class names needs the class names of all tasks.
        let needs_all = self.benchmark != BenchmarkInput::PerTask;
        locations.heads.retain(|task, _| needs_all || is_evaluated(task));
        Job::new(meaning, locations)
    }
}
