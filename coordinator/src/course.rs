mod bound;
mod known;
mod outcome;
mod plan;
#[cfg(test)]
mod tests;

use crate::{
    CoordinatorError, Frozen,
    lookup::Sought,
    strategy::{Candidate, Choice, Next, Rule, Ties, Walk},
};
use bound::bound_of;
use jobs::{
    ArtefactResult, Benchmark, Blame, Job, JobId, JobResult, Metric, Outcome, Parameter, Recipe, RecipeSpec, Search,
    Subject, Sweep, WeakAdapter, WriteFormat,
};
use known::{Known, Observed, Standing};

pub use bound::bound;
pub use known::Memory;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    fmt,
};

/// The course of a sweep: which jobs it wants next, as a function of the answers so far.
///
/// No I/O and no clock. A fresh course that is told the same answers wants the same jobs and ends with the same
/// [`Outcome`], in whatever order the answers come; it only remembers how far it has read. The phases overlap where
/// nothing forbids it, so that workers are not kept waiting for a linear search:
///
/// 1. the base model and each adapter alone, on the selection split;
/// 2. the searches, side by side, and the baselines. They wait for the adapters where the metric is normalised;
/// 3. the report split, once, when all searches have chosen: the chosen recipes, baselines, base model and adapters;
/// 4. the winner, written, when everything is evaluated and [`writing`](Self::writing) asked for it.
///
/// What a part waits for is said in one place (`plan.rs`), and so is what a single job waits for: artefacts of other jobs.
///
/// A job that several parts want is wanted once.
#[derive(Debug)]
pub struct Course {
    known: Known,
    searches: Vec<Running>,
    baselines: Vec<(String, Recipe)>,
    /// What is planned and was not wanted yet, by part; a part is planned when what it needs is known.
    plans: BTreeMap<Phase, VecDeque<Planned>>,
    /// The winner is to be written.
    writes: bool,
    /// The jobs that write, of those that were wanted.
    written: HashSet<JobId>,
    /// What was wanted so far.
    issued: HashSet<JobId>,
    /// How many of these have no answer yet.
    open: usize,
    /// The search points among these: which searches wait for them.
    asked: HashMap<JobId, Vec<(usize, RecipeSpec)>>,
    /// The best value of all points that searches have read.
    best: Option<f64>,
    /// Tasks whose adapters were said to be weak.
    weak: HashSet<String>,
    /// The searches end where they are.
    ends_early: bool,
    /// One of them was not over when it did.
    is_cut_short: bool,
    /// Points that were wanted, and whose answers are not waited for any more.
    forgotten: HashSet<JobId>,
}

/// The parts of a sweep, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The base model and each adapter alone.
    References,
    /// The searches.
    Search,
    /// The fixed recipes.
    Baselines,
    /// The report split.
    Report,
    /// The winner as an artefact.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::References => "references",
            Self::Search => "search",
            Self::Baselines => "baselines",
            Self::Report => "report",
            Self::Write => "write",
        })
    }
}

/// A job that the sweep wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// The job's id.
    pub id: JobId,
    /// The job.
    pub job: Job,
    /// The part of the sweep that wants it.
    pub phase: Phase,
    /// What it is, for people: `knots_ties scaling=0.3`, `mnist alone on test`.
    pub label: String,
}

impl Wanted {
    /// How the job is looked up.
    pub(crate) fn sought(&self) -> Sought {
        Sought::new(self.id, &self.job)
    }
}

/// Where the sweep stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These jobs are wanted, in this order. None was wanted before.
    Run(Vec<Wanted>),
    /// Answers are missing before anything can be said.
    Wait,
    /// The sweep is over.
    Finished(Box<Outcome>),
}

/// What a job came to.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// Its result.
    Result(&'a JobResult),
    /// The artefact that it made.
    Artefact(&'a ArtefactResult),
    /// It failed for good.
    Failed {
        /// The error and its causes, outermost first.
        errors: &'a [String],
        /// Where the failure lies; an older program did not tell.
        blame: Option<Blame>,
    },
}

/// What became of a result that nobody had asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recall {
    /// It was taken in.
    New,
    /// The job was known, or was asked for.
    Known,
    /// It is over other inputs than the sweep's: nothing was taken in.
    Other,
    /// Its value cannot be told before the accuracies of the adapters are known; nothing was taken in.
    TooEarly,
}

/// What an answer means for the sweep.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recorded {
    /// The value of the metric; `None` for single adapters and failures.
    pub value: Option<f64>,
    /// The search whose point this is, and the point, if it is better than every point of every search before.
    pub best_of: Option<(String, RecipeSpec)>,
}

#[derive(Debug)]
struct Running {
    search: Search,
    walk: Walk,
    choice: Option<Choice>,
}

/// A job that a part of the sweep will want.
#[derive(Debug)]
struct Planned {
    job: PlannedJob,
    label: String,
    /// The jobs whose artefacts it needs.
    artefacts: Vec<JobId>,
}

/// What a planned job does.
#[derive(Debug)]
enum PlannedJob {
    Evaluate { subject: Subject, split: String },
    Write { recipe: Recipe, format: WriteFormat },
}

impl PlannedJob {
    fn of(self, frozen: &Frozen) -> Job {
        match self {
            Self::Evaluate { subject, split } => frozen.job(frozen.meaning(subject, &split)),
            Self::Write { recipe, format } => frozen.job(frozen.writing(&recipe, format)),
        }
    }
}

impl Course {
    /// The beginning of the sweep.
    ///
    /// # Errors
    /// Searches that the method cannot go through; recipes that describe no merge.
    pub fn new(frozen: Frozen) -> Result<Self, CoordinatorError> {
        Self::remembering(frozen, Memory::default())
    }

    /// The beginning of the sweep for one who knows what earlier courses of it have learnt: what is known is not wanted.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn remembering(frozen: Frozen, memory: Memory) -> Result<Self, CoordinatorError> {
        let (searches, baselines) = (searches(frozen.sweep())?, baselines(frozen.sweep())?);
        let known = Known::new(frozen, memory);
        Ok(Self {
            known,
            searches,
            baselines,
            plans: BTreeMap::new(),
            writes: false,
            written: HashSet::new(),
            issued: HashSet::new(),
            open: 0,
            asked: HashMap::new(),
            best: None,
            weak: HashSet::new(),
            ends_early: false,
            is_cut_short: false,
            forgotten: HashSet::new(),
        })
    }

    /// The same course, which has the winner written at its end.
    #[must_use]
    pub fn writing(self) -> Self {
        Self { writes: true, ..self }
    }

    /// Whether a job that was wanted writes, and does not evaluate.
    pub(crate) fn is_written(&self, id: &JobId) -> bool {
        self.written.contains(id)
    }

    /// Ends the searches where they are, each with the best of the points that are known. The points that were wanted and are not
    /// known are named: nobody waits for them.
    pub fn end_early(&mut self) -> Vec<JobId> {
        self.ends_early = true;
        let asked: Vec<JobId> = self.asked.drain().map(|(id, _)| id).collect();
        self.open = self.open.saturating_sub(asked.len());
        self.forgotten.extend(&asked);
        asked
    }

    /// The next jobs wanted, at most `limit`.
    ///
    /// # Errors
    /// A search that cannot go on, or a metric that cannot be computed since an adapter's own accuracy is missing.
    pub fn next(&mut self, limit: usize) -> Result<Step, CoordinatorError> {
        let mut wanted = Vec::new();
        self.hand_out(&mut wanted, limit)?;
        if !wanted.is_empty() {
            return Ok(Step::Run(wanted));
        }
        match self.is_over() {
            true => Ok(Step::Finished(Box::new(self.outcome()?))),
            false => Ok(Step::Wait),
        }
    }

    /// Takes in what a wanted job came to. A second answer to the same job changes nothing.
    ///
    /// # Errors
    /// A result of a search point that does not hold the metric.
    pub fn record(&mut self, id: JobId, answer: Answer<'_>) -> Result<Recorded, CoordinatorError> {
        if !self.issued.contains(&id) || self.known.standing(&id).is_some() {
            return Ok(Recorded::default());
        }
        let standing = match answer {
            Answer::Result(result) => self.known.read(result),
            Answer::Artefact(result) => self.known.read_artefact(result),
            Answer::Failed { blame: Some(Blame::Job), .. } => Standing::Failed,
            // What is not known to lie with the job says nothing about its recipe.
            Answer::Failed { blame: Some(Blame::Machine) | None, .. } => Standing::Missing,
        };
        let waiting = self.asked.remove(&id).unwrap_or_default();
        let value = match standing {
            Standing::Scored(None) if !waiting.is_empty() => return Err(self.known.no_value(id)),
            Standing::Scored(value) => value,
            Standing::Failed | Standing::Missing => None,
        };
        // Only references and fixed recipes: errors of a million points would be a burden.
        if let Answer::Failed { errors, .. } = answer
            && waiting.is_empty()
        {
            self.known.keep_errors(id, errors);
        }
        self.known.keep(id, standing);
        if !self.forgotten.remove(&id) {
            self.open -= 1;
        }
        let mut recorded = Recorded { value, best_of: None };
        if let (Some(value), Some((index, spec))) = (value, waiting.into_iter().next())
            && self.known.take_over(&mut self.best, value)
        {
            recorded.best_of = Some((self.searches[index].search.name.clone(), spec));
        }
        Ok(recorded)
    }

    /// Takes in a stored result of the sweep before its job is wanted.
    pub fn recall(&mut self, result: &JobResult) -> Recall {
        if self.issued.contains(&result.job) || self.known.standing(&result.job).is_some() {
            return Recall::Known;
        }
        // The accuracy of another adapter, or on other data, would be what this sweep's are measured by.
        if !self.known.is_over(&result.meaning) {
            return Recall::Other;
        }
        let standing = self.known.read(result);
        if standing == Standing::Scored(None) && matches!(result.meaning.subject, Subject::Merge { .. }) {
            return Recall::TooEarly;
        }
        self.known.keep(result.job, standing);
        Recall::New
    }

    /// Whoever asked for the job does not wait for its answer: it is as good as never asked for, but not asked for again.
    pub(crate) fn set_aside(&mut self, id: &JobId) {
        // A recipe for each of a million jobs would be most of what a course takes.
        self.asked.remove(id);
    }

    /// Says nothing anew of what `earlier`, a course of the same sweep, has said.
    pub(crate) fn after(self, earlier: &Self) -> Self {
        Self { weak: earlier.weak.clone(), ..self }
    }

    /// The adapters that are worse on their own task than the base model, each the first time that this is known.
    ///
    /// Where the metric is normalised, that is before the first point of a search is wanted.
    pub fn newly_weak(&mut self) -> Vec<WeakAdapter> {
        let weak = self.known.weak_adapters().into_iter();
        weak.filter(|adapter| self.weak.insert(adapter.task.clone())).collect()
    }

    /// What was learnt, for another course of the same sweep.
    #[must_use]
    pub fn into_memory(self) -> Memory {
        self.known.into_memory()
    }

    /// The most jobs that the sweep may want.
    pub fn bound(&self) -> u64 {
        bound_of(self.known.frozen.sweep(), &self.searches)
    }

    /// The searches' next points.
    fn search(&mut self, wanted: &mut Vec<Wanted>, limit: usize) -> Result<(), CoordinatorError> {
        // A point that another part of the sweep asked for is never recorded as this search's.
        let observed = Observed::new(&self.known, self.best);
        if self.ends_early {
            for running in self.searches.iter_mut().filter(|running| running.choice.is_none()) {
                match running.walk.next(&observed)? {
                    Next::Done(choice) if choice.best.is_some() => running.choice = Some(*choice),
                    Next::Done(_) | Next::Evaluate(_) | Next::Wait => {
                        running.choice = Some(running.walk.best_known(&observed)?);
                        self.is_cut_short = true;
                    }
                }
            }
        }
        for (index, running) in self.searches.iter_mut().enumerate() {
            while running.choice.is_none() && wanted.len() < limit {
                match running.walk.next(&observed)? {
                    Next::Wait => break,
                    Next::Done(choice) => running.choice = Some(*choice),
                    Next::Evaluate(candidate) => {
                        let Candidate { spec, recipe, id } = *candidate;
                        self.asked.entry(id).or_default().push((index, spec.clone()));
                        if self.issued.insert(id) {
                            self.open += 1;
                            let label = point_label(&running.search, &spec);
                            let meaning = self.known.frozen.meaning(Subject::Merge { recipe }, &self.known.select);
                            let job = self.known.frozen.job(meaning);
                            wanted.push(Wanted { id, job, phase: Phase::Search, label });
                        }
                    }
                }
            }
        }
        self.best = observed.best();
        Ok(())
    }
}

/// The searches of `sweep`, each at its beginning.
fn searches(sweep: &Sweep) -> Result<Vec<Running>, CoordinatorError> {
    let ties = if sweep.evaluation.benchmark == Benchmark::PerTask { Ties::Last } else { Ties::First };
    let rule = Rule { objective: sweep.objective.clone(), ties };
    let running = |search: &Search| {
        let walk = Walk::new(search, sweep.method, rule.clone())?;
        Ok(Running { search: search.clone(), walk, choice: None })
    };
    sweep.searches.iter().map(running).collect()
}

/// The recipes that are evaluated as they are, by name.
fn baselines(sweep: &Sweep) -> Result<Vec<(String, Recipe)>, CoordinatorError> {
    let baselines = sweep.baselines.iter().map(|baseline| match baseline.recipe.resolve() {
        Ok(recipe) => Ok((baseline.name.clone(), recipe)),
        Err(source) => Err(CoordinatorError::Baseline { name: baseline.name.clone(), source }),
    });
    baselines.collect()
}

impl Planned {
    /// The evaluation of `subject` on `split`, which needs no artefact.
    fn evaluation(subject: Subject, split: &str, label: String) -> Self {
        Self { job: PlannedJob::Evaluate { subject, split: split.to_owned() }, label, artefacts: Vec::new() }
    }

    fn merge(label: &str, recipe: &Recipe, split: &str) -> Self {
        Self::evaluation(Subject::Merge { recipe: recipe.clone() }, split, label.to_owned())
    }
}

/// The search's name with the values of its parameters.
fn point_label(search: &Search, spec: &RecipeSpec) -> String {
    let flat = serde_json::to_value(spec).unwrap_or_default();
    // What the preset says where the search has not come to a parameter yet.
    let of_preset = |key: &str| {
        let whole = RecipeSpec::from(&spec.resolve().ok()?);
        serde_json::to_value(whole).ok()?.get(key).cloned()
    };
    let value = |key: &str| match key.strip_prefix("weights.") {
        Some(task) => flat.get("weights").and_then(|weights| weights.get(task)).cloned(),
        None => flat.get(key).cloned().or_else(|| of_preset(key)),
    };
    let mut label = search.name.clone();
    for Parameter { key, .. } in &search.parameters {
        let value = value(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        label = format!("{label} {key}={}", value.unwrap_or_default());
    }
    label
}

/// Whether the metric needs the accuracy of every adapter alone.
fn is_normalised(metric: &Metric) -> bool {
    *metric == Metric::MeanNormalisedAccuracy
}
