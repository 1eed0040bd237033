mod answers;

use super::{
    pending::PendingJob,
    results::{JobStatus, KnownResults},
    training::OpenLegs,
};
use crate::{
    CoordinatorError, Frozen, RecordedError,
    strategy::{PointResult, PointResults},
};
use jobs::{
    ArtefactResult, Goal, JobId, JobResult, JobSpec, LayerwiseSettings, LayerwiseSpec, LearnedWeights, Meaning, Metric,
    Recipe, StatisticsNeed, StatisticsSpec, Subject, Sweep, Task, TaskScore, WeakAdapter,
};
use std::collections::{HashMap, HashSet};

/// The results of a sweep's jobs, read with the sweep's metric.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) frozen: Frozen,
    pub(super) select: String,
    pub(super) report: String,
    /// One accepted merge per split, of those that need no statistics: these differ in the recipe only.
    merges: HashMap<String, Meaning>,
    /// The jobs whose artefacts are stored.
    artefacts: HashSet<JobId>,
    /// The statistics that recipes of the sweep need.
    statistics: Vec<StatisticsNeed>,
    /// The merges that recipes of the sweep need made layer by layer.
    layerwise: Vec<LayerwiseSettings>,
    /// The jobs that make these statistics, in their order. The plan asks for them in every step, and an id takes a hash.
    statistics_ids: Vec<JobId>,
    /// The jobs that make these merges.
    layerwise_ids: Vec<JobId>,
    /// The jobs that train adapters, by task.
    pub(super) legs: Vec<OpenLegs>,
    pub(super) results: KnownResults,
}

impl Known {
    pub(super) fn new(frozen: Frozen, mut results: KnownResults) -> Self {
        let evaluation = frozen.sweep().evaluation.clone();
        let statistics = frozen.statistics_needs();
        let specs = statistics.iter().flat_map(|need| frozen.statistics_specs(*need));
        let statistics_ids = specs.map(|spec| JobSpec::from(spec).id()).collect();
        let layerwise = frozen.sweep().layerwise_needs();
        let specs = layerwise.iter().filter_map(|settings| frozen.layerwise_spec(settings, |_| true));
        let layerwise_ids = specs.map(|spec| JobSpec::from(spec).id()).collect();
        let tasks = frozen.sweep().tasks.iter();
        let legs = tasks.map(|task| OpenLegs::of(&task.name, frozen.train_specs(&task.name))).collect();
        if frozen.sweep().has_denominators() {
            for task in &frozen.sweep().tasks {
                for (split, accuracy) in &task.finetuned {
                    let of_split = results.denominators.entry(split.clone()).or_default();
                    of_split.insert(task.name.clone(), *accuracy);
                }
            }
        }
        Self {
            frozen,
            select: evaluation.select,
            report: evaluation.report,
            merges: HashMap::new(),
            artefacts: HashSet::new(),
            statistics,
            layerwise,
            statistics_ids,
            layerwise_ids,
            legs,
            results,
        }
    }

    pub(super) fn into_results(self) -> KnownResults {
        self.results
    }

    /// The evaluations of the base model and of each adapter whose accuracy on `split` is not given.
    pub(super) fn references(&self, split: &str) -> impl Iterator<Item = PendingJob> {
        let on = if split == self.select { String::new() } else { format!(" on {split}") };
        // The base is evaluated with the heads of all tasks.
        let heads = self.frozen.sweep().tasks.iter().filter_map(|task| self.frozen.head_trained_by(&task.name));
        let base = PendingJob::evaluation(Subject::Base, split, format!("zero-shot{on}")).after(heads);
        let split = split.to_owned();
        let measured = self.measured(&split).map(|task| task.name.clone()).collect::<Vec<_>>();
        let alone = measured.into_iter().map(move |task| {
            let label = format!("{task} alone{on}");
            let adapter = self.frozen.trained_by(&task);
            PendingJob::evaluation(Subject::Adapter { task }, &split, label).after(adapter)
        });
        std::iter::once(base).chain(alone)
    }

    /// The tasks whose adapters are evaluated alone on `split`.
    pub(super) fn measured<'a>(&'a self, split: &'a str) -> impl Iterator<Item = &'a Task> {
        measured(self.frozen.sweep(), split)
    }

    pub(super) fn id_of(&self, subject: Subject, split: &str) -> JobId {
        self.frozen.meaning(subject, split).id()
    }

    /// Whether a result of this meaning has the inputs of the sweep.
    pub(super) fn has_inputs_of(&mut self, meaning: &Meaning) -> bool {
        // A sweep may have a million merges. After the first one, two meanings are compared without building one.
        // The statistics of a merge depend on its recipe, and a merge of a subset has other adapters: these are compared with
        // one that is built.
        let is_whole = meaning.adapters.len() == self.frozen.sweep().tasks.len();
        let is_plain = is_whole
            && meaning.slice.is_none()
            && matches!(&meaning.subject, Subject::Merge { recipe } if !recipe.merges_by_data());
        if let (true, Some(accepted)) = (is_plain, self.merges.get(&meaning.split)) {
            return differ_in_subject_only(accepted, meaning);
        }
        let has_inputs = self.frozen.has_inputs_of(meaning);
        if has_inputs && is_plain {
            self.merges.insert(meaning.split.clone(), meaning.clone());
        }
        has_inputs
    }

    pub(super) fn status(&self, id: &JobId) -> Option<JobStatus> {
        self.results.statuses.get(id).copied()
    }

    /// The number of jobs that failed, where a machine may be the reason.
    pub(super) fn missing(&self, ids: impl Iterator<Item = JobId>) -> u64 {
        let ids: HashSet<JobId> = ids.collect();
        ids.into_iter().filter(|id| self.status(id) == Some(JobStatus::Missing)).count() as u64
    }

    pub(super) fn set_status(&mut self, id: JobId, status: JobStatus) {
        self.results.statuses.insert(id, status);
    }

    pub(super) fn set_errors(&mut self, id: JobId, errors: &[String]) {
        self.results.errors.extend(RecordedError::of(errors).map(|error| (id, error)));
    }

    /// How `one` compares with `other`: `Greater` means better.
    pub(super) fn compare(&self, one: f64, other: f64) -> std::cmp::Ordering {
        self.frozen.sweep().objective.compare(one, other)
    }

    /// How much better `one` is than `other`, in units of the metric.
    pub(super) fn gain_over(&self, one: f64, other: f64) -> f64 {
        match self.frozen.sweep().objective.goal {
            Goal::Maximize => one - other,
            Goal::Minimize => other - one,
        }
    }

    /// Replaces `best` by `value` if `value` is better; whether it was.
    pub(super) fn improve(&self, best: &mut Option<f64>, value: f64) -> bool {
        let objective = &self.frozen.sweep().objective;
        let is_better = best.is_none_or(|best| objective.compare(value, best).is_gt());
        if is_better {
            *best = Some(value);
        }
        is_better
    }

    /// The status of a job with `result`. Keeps the accuracies of the base model and of single adapters.
    pub(super) fn read(&mut self, result: &JobResult) -> JobStatus {
        self.note_answers(result);
        // The metric is one of all examples.
        if result.meaning.slice.is_some() {
            return JobStatus::Done(None);
        }
        let split = &result.meaning.split;
        if result.meaning.subject == Subject::Base {
            // A command may answer with counts or means: without single outcomes there is nothing to race by.
            let has_outcomes =
                result.meaning.benchmark.command().is_none() || result.scores.iter().all(|score| score.right.is_some());
            if has_outcomes {
                let sizes = result.scores.iter().map(|score| (score.task.clone(), score.n));
                self.results.sizes.insert(split.clone(), sizes.collect());
            } else if self.frozen.sweep().racing.is_some() {
                tracing::warn!(
                    "the command gives no `outcomes`, so that no points race: each is evaluated on all examples"
                );
            }
            let accuracies = result.scores.iter().map(|score| (score.task.clone(), TaskScore::accuracy(score)));
            self.results.zero_shot.insert(split.clone(), accuracies.collect());
        }
        let denominators = self.results.denominators.entry(split.clone()).or_default();
        if let Subject::Adapter { task } = &result.meaning.subject {
            if let Some(score) = result.scores.iter().find(|score| score.task == *task) {
                denominators.insert(task.clone(), TaskScore::accuracy(score));
            }
            // The metric is a mean over all tasks; an adapter alone has one task.
            return JobStatus::Done(None);
        }
        let goals = &self.frozen.sweep().goals;
        let values: Option<Vec<f64>> = goals.iter().map(|goal| goal.value(&result.scores, denominators)).collect();
        if let Some(values) = values.filter(|values| !values.is_empty() && *split == self.select) {
            self.results.goals.insert(result.job, values);
        }
        JobStatus::Done(self.frozen.sweep().objective.metric.value(&result.scores, denominators))
    }

    /// The status of a job with an artefact. Notes that the artefact is stored.
    pub(super) fn read_artefact(&mut self, result: &ArtefactResult) -> JobStatus {
        self.artefacts.insert(result.job);
        if matches!(result.spec, JobSpec::Tune(_)) {
            self.results.learned.insert(result.job, LearnedWeights::from_facts(&result.artefact.facts));
        }
        JobStatus::Done(None)
    }

    /// The coefficients that a job has learned.
    pub(super) fn coefficients(&self, job: &JobId) -> Option<&LearnedWeights> {
        self.results.learned.get(job)
    }

    /// Whether the artefact of a job is stored.
    pub(super) fn has_artefact(&self, job: &JobId) -> bool {
        // An earlier plan may have read it: this one knows then only that the job is done.
        self.artefacts.contains(job) || matches!(self.status(job), Some(JobStatus::Done(_)))
    }

    /// Whether the job that makes an artefact has ended without one.
    pub(super) fn lacks_artefact(&self, job: &JobId) -> bool {
        match self.status(job) {
            Some(JobStatus::Failed | JobStatus::Missing) => true,
            Some(JobStatus::Done(_)) | None => false,
        }
    }

    /// What becomes of an evaluation of which a job has ended without the statistics that it merges by; `None` if they are there,
    /// or may be. It is the status of that job.
    pub(super) fn without_statistics(&self, meaning: &Meaning) -> Option<JobStatus> {
        let lost = meaning.statistics.iter().find(|input| self.lacks_artefact(&input.job))?;
        self.status(&lost.job)
    }

    /// The metric's value of a job, if it has one.
    pub(super) fn value(&self, id: &JobId) -> Option<f64> {
        match self.status(id)? {
            JobStatus::Done(value) => value,
            JobStatus::Failed | JobStatus::Missing => None,
        }
    }

    /// The adapters that are worse on their own task than the base model, on the selection split.
    pub(super) fn weak_adapters(&self) -> Vec<WeakAdapter> {
        let alone = self.results.denominators.get(&self.select);
        let base = self.results.zero_shot.get(&self.select);
        let weak = |task: &Task| {
            let finetuned = *alone?.get(&task.name)?;
            let zero_shot = *base?.get(&task.name)?;
            (finetuned < zero_shot).then(|| WeakAdapter {
                task: task.name.clone(),
                split: self.select.clone(),
                finetuned,
                is_given: task.finetuned.contains_key(&self.select),
                zero_shot,
            })
        };
        self.frozen.sweep().tasks.iter().filter_map(weak).collect()
    }

    /// Whether the metric can be computed on the selection split. An accuracy that can never be known is an error.
    pub(super) fn has_denominators(&self) -> Result<bool, CoordinatorError> {
        let sweep = self.frozen.sweep();
        if !sweep.objective.metric.is_normalised() && !sweep.goals.iter().any(Metric::is_normalised) {
            return Ok(true);
        }
        let own = self.results.denominators.get(&self.select);
        for task in self.measured(&self.select) {
            let job = self.id_of(Subject::Adapter { task: task.name.clone() }, &self.select);
            let accuracy = own.and_then(|own| own.get(&task.name));
            let name = task.name.clone();
            let split = self.select.clone();
            match (self.status(&job), accuracy) {
                (None, _) => return Ok(false),
                (Some(JobStatus::Done(_)), Some(accuracy)) if *accuracy > 0.0 => {}
                (Some(JobStatus::Done(_)), _) => {
                    return Err(CoordinatorError::ZeroDenominator { task: name, split, job });
                }
                (Some(JobStatus::Failed | JobStatus::Missing), _) => {
                    let source = self.results.errors.get(&job).cloned().map(Box::new);
                    return Err(CoordinatorError::Denominator { task: name, split, job, source });
                }
            }
        }
        Ok(true)
    }

    /// The statistics that recipes of the sweep merge by.
    pub(super) fn statistics(&self) -> impl Iterator<Item = StatisticsSpec> {
        self.statistics.iter().flat_map(|need| self.frozen.statistics_specs(*need))
    }

    /// The merges of all tasks that recipes of the sweep need made layer by layer.
    pub(super) fn layerwise(&self) -> impl Iterator<Item = LayerwiseSpec> {
        self.layerwise.iter().filter_map(|settings| self.frozen.layerwise_spec(settings, |_| true))
    }

    /// The number of jobs that make statistics by which no recipe merges.
    pub(super) fn other_statistics(&self) -> u64 {
        let other = self.statistics.len() - self.frozen.sweep().statistics_needs().len();
        (other * self.frozen.sweep().tasks.len()) as u64
    }

    /// Whether all statistics that recipes merge by are there, and all jobs that merge layer by layer have ended. Statistics
    /// of a task that can never be made are an error.
    pub(super) fn has_statistics(&self) -> Result<bool, CoordinatorError> {
        let mut is_complete = true;
        for (spec, job) in self.statistics().zip(self.statistics_ids.iter().copied()) {
            let task = spec.adapter.task.clone();
            let what = spec.what.name();
            match self.status(&job) {
                None => is_complete = false,
                Some(JobStatus::Done(_)) => {}
                Some(JobStatus::Failed | JobStatus::Missing) => {
                    let source = self.results.errors.get(&job).cloned().map(Box::new);
                    return Err(CoordinatorError::Statistics { task, what, job, source });
                }
            }
        }
        // A merge that cannot be made layer by layer says something about its own settings alone: see `without_statistics`.
        is_complete &= self.layerwise_ids.iter().all(|job| self.status(job).is_some());
        Ok(is_complete)
    }

    pub(super) fn no_value(&self, job: JobId) -> CoordinatorError {
        CoordinatorError::Metric { job, metric: self.frozen.sweep().objective.metric.to_string() }
    }
}

impl PointResults for Known {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.id_of(Subject::Merge { recipe: Box::new(recipe.clone()) }, &self.select)
    }

    fn of(&self, id: &JobId) -> Option<PointResult> {
        match self.status(id)? {
            JobStatus::Done(Some(value)) => Some(PointResult::Value(value)),
            // A search point without a value is refused when it is recorded.
            JobStatus::Done(None) | JobStatus::Failed => Some(PointResult::Failed),
            JobStatus::Missing => Some(PointResult::Missing),
        }
    }

    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        self.results.goals.get(id).cloned()
    }
}

/// Whether two meanings differ in the subject only.
fn differ_in_subject_only(one: &Meaning, other: &Meaning) -> bool {
    // Without `..`: a new field must be compared as well.
    let Meaning { evaluation, base, subject: _, adapters, tasks, benchmark, split, precision, statistics, slice } = one;
    *evaluation == other.evaluation
        && *base == other.base
        && *split == other.split
        && *precision == other.precision
        && *benchmark == other.benchmark
        && *adapters == other.adapters
        && *tasks == other.tasks
        && *statistics == other.statistics
        && *slice == other.slice
}

/// The tasks of `sweep` whose adapters are evaluated alone on `split`.
pub(super) fn measured<'a>(sweep: &'a Sweep, split: &'a str) -> impl Iterator<Item = &'a Task> {
    let is_needed = sweep.has_denominators();
    sweep.tasks.iter().filter(move |task| is_needed && !task.finetuned.contains_key(split))
}
