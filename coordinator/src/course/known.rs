use super::{Planned, is_normalised};
use crate::{
    CoordinatorError, Frozen, RecordedError,
    strategy::{Evaluation, Evaluations},
};
use jobs::{ArtefactResult, JobId, JobResult, Meaning, Recipe, Subject, Sweep, Task, TaskScore, WeakAdapter};
use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap, HashSet},
};

/// What is known of a sweep's jobs.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) frozen: Frozen,
    pub(super) select: String,
    pub(super) report: String,
    /// The meaning of a merge by split, but for its recipe.
    grounds: HashMap<String, Meaning>,
    /// The jobs whose artefacts are there.
    artefacts: HashSet<JobId>,
    memory: Memory,
}

/// What a course has learnt of its jobs: one number each, for there may be a million. Another course of the same sweep
/// can start from it.
#[derive(Debug, Default)]
pub struct Memory {
    standings: HashMap<JobId, Standing>,
    /// Why jobs outside the searches failed.
    errors: HashMap<JobId, RecordedError>,
    /// Accuracies of single adapters, given or measured, by split and task.
    denominators: BTreeMap<String, BTreeMap<String, f64>>,
    /// Accuracies of the base model, by split and task.
    zero_shot: BTreeMap<String, BTreeMap<String, f64>>,
}

/// What a job came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// It has a result, with this value of the metric if it has one.
    Scored(Option<f64>),
    /// It failed for good, by its inputs or its recipe.
    Failed,
    /// It failed for good, for a reason that may lie with a machine.
    Missing,
}

impl Known {
    pub(super) fn new(frozen: Frozen, mut memory: Memory) -> Self {
        let evaluation = frozen.sweep().evaluation.clone();
        let (select, report) = (evaluation.select, evaluation.report);
        let denominators = &mut memory.denominators;
        for task in frozen.sweep().tasks.iter().filter(|_| frozen.sweep().has_denominators()) {
            for (split, accuracy) in &task.finetuned {
                denominators.entry(split.clone()).or_default().insert(task.name.clone(), *accuracy);
            }
        }
        Self { frozen, select, report, grounds: HashMap::new(), artefacts: HashSet::new(), memory }
    }

    pub(super) fn into_memory(self) -> Memory {
        self.memory
    }

    /// The base model and the adapters whose accuracy on `split` is not given.
    pub(super) fn references(&self, split: &str) -> impl Iterator<Item = Planned> {
        let on = if split == self.select { String::new() } else { format!(" on {split}") };
        let base = Planned::evaluation(Subject::Base, split, format!("zero-shot{on}"));
        let split = split.to_owned();
        let measured = self.measured(&split).map(|task| task.name.clone()).collect::<Vec<_>>();
        let alone = measured.into_iter().map(move |task| {
            let label = format!("{task} alone{on}");
            Planned::evaluation(Subject::Adapter { task }, &split, label)
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

    /// Whether a result of this meaning is over the sweep's inputs.
    pub(super) fn is_over(&mut self, meaning: &Meaning) -> bool {
        // There may be a million merges, which differ in their recipes alone.
        if let (Subject::Merge { .. }, Some(ground)) = (&meaning.subject, self.grounds.get(&meaning.split)) {
            return is_same_ground(ground, meaning);
        }
        let is_over = self.frozen.is_over(meaning);
        if is_over && matches!(meaning.subject, Subject::Merge { .. }) {
            self.grounds.insert(meaning.split.clone(), meaning.clone());
        }
        is_over
    }

    pub(super) fn standing(&self, id: &JobId) -> Option<Standing> {
        self.memory.standings.get(id).copied()
    }

    /// How many jobs failed for a reason that may lie with a machine, of those that are on the selection split.
    pub(super) fn missing(&self, ids: impl Iterator<Item = JobId>) -> u64 {
        let ids: HashSet<JobId> = ids.collect();
        ids.into_iter().filter(|id| self.standing(id) == Some(Standing::Missing)).count() as u64
    }

    pub(super) fn keep(&mut self, id: JobId, standing: Standing) {
        self.memory.standings.insert(id, standing);
    }

    pub(super) fn keep_errors(&mut self, id: JobId, errors: &[String]) {
        self.memory.errors.extend(RecordedError::of(errors).map(|error| (id, error)));
    }

    /// Makes `value` the best if it is better.
    pub(super) fn take_over(&self, best: &mut Option<f64>, value: f64) -> bool {
        let objective = &self.frozen.sweep().objective;
        let is_better = best.is_none_or(|best| objective.compare(value, best).is_gt());
        if is_better {
            *best = Some(value);
        }
        is_better
    }

    /// The standing that `result` gives its job; keeps the accuracy of a single adapter.
    pub(super) fn read(&mut self, result: &JobResult) -> Standing {
        if result.meaning.subject == Subject::Base {
            let accuracies = result.scores.iter().map(|score| (score.task.clone(), TaskScore::accuracy(score)));
            self.memory.zero_shot.insert(result.meaning.split.clone(), accuracies.collect());
        }
        let denominators = self.memory.denominators.entry(result.meaning.split.clone()).or_default();
        if let Subject::Adapter { task } = &result.meaning.subject {
            if let Some(score) = result.scores.iter().find(|score| score.task == *task) {
                denominators.insert(task.clone(), TaskScore::accuracy(score));
            }
            return Standing::Scored(None);
        }
        Standing::Scored(self.frozen.sweep().objective.metric.value(&result.scores, denominators))
    }

    /// Takes in what a job made.
    pub(super) fn read_artefact(&mut self, result: &ArtefactResult) -> Standing {
        self.artefacts.insert(result.job);
        Standing::Scored(None)
    }

    /// Whether the artefact of a job is there.
    pub(super) fn has_artefact(&self, job: &JobId) -> bool {
        self.artefacts.contains(job)
    }

    /// The metric's value of a job, if it has one.
    pub(super) fn value(&self, id: &JobId) -> Option<f64> {
        match self.standing(id)? {
            Standing::Scored(value) => value,
            Standing::Failed | Standing::Missing => None,
        }
    }

    /// The adapters that are known to be worse on their own task than the base model, on the selection split.
    pub(super) fn weak_adapters(&self) -> Vec<WeakAdapter> {
        let alone = self.memory.denominators.get(&self.select);
        let base = self.memory.zero_shot.get(&self.select);
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

    /// Whether the metric can be computed on the selection split: not yet, or an error if it never can.
    pub(super) fn has_denominators(&self) -> Result<bool, CoordinatorError> {
        if !is_normalised(&self.frozen.sweep().objective.metric) {
            return Ok(true);
        }
        let own = self.memory.denominators.get(&self.select);
        for task in self.measured(&self.select) {
            let job = self.id_of(Subject::Adapter { task: task.name.clone() }, &self.select);
            let accuracy = own.and_then(|own| own.get(&task.name));
            let (name, split) = (task.name.clone(), self.select.clone());
            match (self.standing(&job), accuracy) {
                (None, _) => return Ok(false),
                (Some(Standing::Scored(_)), Some(accuracy)) if *accuracy > 0.0 => {}
                (Some(Standing::Scored(_)), _) => {
                    return Err(CoordinatorError::ZeroDenominator { task: name, split, job });
                }
                (Some(Standing::Failed | Standing::Missing), _) => {
                    let source = self.memory.errors.get(&job).cloned().map(Box::new);
                    return Err(CoordinatorError::Denominator { task: name, split, job, source });
                }
            }
        }
        Ok(true)
    }

    pub(super) fn no_value(&self, job: JobId) -> CoordinatorError {
        CoordinatorError::Metric { job, metric: self.frozen.sweep().objective.metric.to_string() }
    }
}

/// Whether two meanings differ in the subject alone.
fn is_same_ground(one: &Meaning, other: &Meaning) -> bool {
    let Meaning { evaluation, base, subject: _, adapters, tasks, benchmark, split, precision } = one;
    (evaluation, base, split, precision) == (&other.evaluation, &other.base, &other.split, &other.precision)
        && (benchmark, adapters, tasks) == (&other.benchmark, &other.adapters, &other.tasks)
}

impl Evaluations for Known {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.id_of(Subject::Merge { recipe: recipe.clone() }, &self.select)
    }

    fn of(&self, id: &JobId) -> Option<Evaluation> {
        match self.standing(id)? {
            Standing::Scored(Some(value)) => Some(Evaluation::Value(value)),
            // A search point without a value is refused when it is recorded.
            Standing::Scored(None) | Standing::Failed => Some(Evaluation::Failed),
            Standing::Missing => Some(Evaluation::Missing),
        }
    }
}

/// The tasks of `sweep` whose adapters are evaluated alone on `split`.
pub(super) fn measured<'a>(sweep: &'a Sweep, split: &'a str) -> impl Iterator<Item = &'a Task> {
    let is_wanted = sweep.has_denominators();
    sweep.tasks.iter().filter(move |task| is_wanted && !task.finetuned.contains_key(split))
}

/// What is known, with the best value that was asked for.
pub(super) struct Observed<'a> {
    known: &'a Known,
    best: Cell<Option<f64>>,
}

impl<'a> Observed<'a> {
    pub(super) fn new(known: &'a Known, best: Option<f64>) -> Self {
        Self { known, best: Cell::new(best) }
    }

    pub(super) fn best(&self) -> Option<f64> {
        self.best.get()
    }
}

impl Evaluations for Observed<'_> {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.known.id(recipe)
    }

    fn of(&self, id: &JobId) -> Option<Evaluation> {
        let evaluation = self.known.of(id)?;
        if let Evaluation::Value(value) = evaluation {
            let mut best = self.best.get();
            self.known.take_over(&mut best, value);
            self.best.set(best);
        }
        Some(evaluation)
    }
}
