//! The runs of a sweep, from which every export is made.

mod measured;
mod unmeasured;

use super::ExportError;
use crate::{Frame, Summary, metric::column_of};
use jobs::{Digest, FailureRecord, Goal, JobId, Outcome};
use std::{collections::HashSet, fmt};

/// The runs of a sweep: one for each model on each split, as experiment trackers count them.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepRuns {
    /// The sweep's name.
    pub sweep: String,
    /// Its revision.
    pub revision: u32,
    /// The metric that searches went by, under its name among [`Run::metrics`].
    pub metric: String,
    /// Which way that is better.
    pub goal: Goal,
    /// The split that recipes were chosen on.
    pub select: String,
    /// The split that the chosen recipes are reported on.
    pub report: String,
    /// The runs: those with results first, in the order of the frame.
    pub runs: Vec<Run>,
    /// Points that failed and of which nothing else is known: the outcome counts them, and no failure is recorded.
    pub unlisted: u64,
}

/// One model on one split.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The job that evaluates it.
    pub job: JobId,
    /// The row of the sweep's table that uses it, if the outcome says so.
    pub row: Option<String>,
    /// What it is for.
    pub kind: RunKind,
    /// How far it came.
    pub state: RunState,
    /// Whether the model is the one that the sweep chose.
    pub is_chosen: bool,
    /// What was evaluated: subject, split, and the keys of the recipe that have a value.
    pub parameters: Vec<Entry>,
    /// What came out, on all examples of the split. Only a run that finished has metrics.
    pub metrics: Vec<Entry>,
    /// Where and how it ran: worker, device, attempt, versions; of a run that was raced out, the examples that it saw; of a
    /// failed one the error.
    pub facts: Vec<Entry>,
    /// When it ended: milliseconds since 1970, UTC.
    pub finished_ms: Option<u64>,
    /// The seconds that its parts took, so that it began that long before its end at the latest.
    pub seconds: Option<f64>,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// A point of a search.
    Candidate,
    /// A fixed recipe.
    Baseline,
    /// The base, an adapter alone, or an ensemble: no merge.
    Reference,
    /// A recipe for some of the tasks.
    Subset,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It was evaluated on all examples.
    Finished,
    /// A race decided about it on a part of the examples: it has no metrics.
    Raced,
    /// Its job failed.
    Failed,
    /// It ended, and its result is not in the store or cannot be read.
    Missing,
}

/// A name with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The name.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// A value, with all its digits.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A finite number.
    Number(f64),
    /// A whole number.
    Whole(u64),
}

impl SweepRuns {
    /// The most runs that are exported: trackers show no more, and all of them are in memory at once.
    pub const MOST: usize = 100_000;

    /// The runs of the sweep with this `outcome`. `frame` holds its jobs, and `failed` are its failures.
    ///
    /// # Errors
    /// There are more than [`SweepRuns::MOST`].
    pub fn of(
        frame: &Frame,
        outcome: &Outcome,
        summary: &Summary,
        failed: &[&FailureRecord],
    ) -> Result<Self, ExportError> {
        if frame.len() > Self::MOST {
            return Err(ExportError::TooMany { sweep: outcome.sweep.clone(), runs: frame.len(), most: Self::MOST });
        }
        let chosen = Chosen::of(outcome, summary);
        let mut runs = measured::runs(frame, outcome, &chosen);
        let mut known: HashSet<JobId> = runs.iter().map(|run| run.job).collect();
        let more = unmeasured::runs(outcome, failed, &chosen, &mut known, summary.so_far.is_none());
        let unlisted = unmeasured::unlisted(outcome, &known, failed);
        runs.extend(more);
        Ok(Self {
            sweep: outcome.sweep.clone(),
            revision: outcome.revision,
            metric: column_of(&outcome.objective.metric),
            goal: outcome.objective.goal,
            select: outcome.select.clone(),
            report: outcome.report.clone(),
            runs,
            unlisted,
        })
    }

    /// An id for trackers, 32 hexadecimal digits: the same in every export, and another one for the same job in another sweep.
    pub(super) fn run_id(&self, run: &Run) -> String {
        Digest::of_json(&("bowline run", &self.sweep, self.revision, run.job)).to_string()[..32].to_owned()
    }

    /// When a run ended, for tools that ask for a time: where that is not known, the end of the newest run.
    pub(super) fn end_ms(&self, run: &Run) -> u64 {
        let newest = || self.runs.iter().filter_map(|run| run.finished_ms).max();
        run.finished_ms.or_else(newest).unwrap_or_default()
    }

    /// The same for the beginning of a run.
    pub(super) fn start_ms(&self, run: &Run) -> u64 {
        run.started_ms().unwrap_or_else(|| self.end_ms(run))
    }

    /// What a run is to the sweep.
    pub(super) fn labels(&self, run: &Run) -> Vec<Entry> {
        let text = |name: &str, text: &str| Entry::new(name, Value::Text(text.to_owned()));
        let goal = match self.goal {
            Goal::Maximize => "maximize",
            Goal::Minimize => "minimize",
        };
        let mut labels = vec![
            text("sweep", &self.sweep),
            Entry::new("revision", Value::Whole(u64::from(self.revision))),
            text("job", &run.job.to_string()),
            text("kind", run.kind.name()),
            text("state", run.state.name()),
            text("chosen", if run.is_chosen { "true" } else { "false" }),
            text("objective", &self.metric),
            text("goal", goal),
        ];
        labels.extend(run.row.as_deref().map(|row| text("row", row)));
        labels
    }
}

/// The jobs of the chosen row.
#[derive(Debug, Default)]
struct Chosen(HashSet<JobId>);

impl Chosen {
    fn of(outcome: &Outcome, summary: &Summary) -> Self {
        let best = summary.best().map(|row| row.name.as_str());
        let rows = outcome.rows.iter().filter(|row| Some(row.name.as_str()) == best);
        Self(rows.flat_map(|row| row.jobs.values().flatten().copied()).collect())
    }

    fn has(&self, job: &JobId) -> bool {
        self.0.contains(job)
    }
}

impl Run {
    /// A short name for people, that no other run of the sweep has but for an accident.
    pub fn name(&self) -> String {
        format!("{}-{}", self.row.as_deref().unwrap_or(self.kind.name()), self.job.short())
    }

    /// When it began at the latest: milliseconds since 1970, UTC.
    pub fn started_ms(&self) -> Option<u64> {
        let before = (self.seconds.unwrap_or_default() * 1000.0).round() as u64;
        self.finished_ms.map(|finished| finished.saturating_sub(before))
    }

    /// The parameter of this name as a text.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters.iter().find(|entry| entry.name == name).map(|entry| entry.value.to_string())
    }
}

impl RunKind {
    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Baseline => "baseline",
            Self::Reference => "reference",
            Self::Subset => "subset",
        }
    }
}

impl RunState {
    /// Its name in exports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Raced => "raced",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }
}

impl Entry {
    fn new(name: impl Into<String>, value: Value) -> Self {
        Self { name: name.into(), value }
    }
}

impl Value {
    /// The value as JSON, with all its digits.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Whole(whole) => (*whole).into(),
        }
    }
}

impl fmt::Display for Value {
    /// The shortest digits that read back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Whole(whole) => write!(f, "{whole}"),
            // `{:?}` writes very large and very small numbers with an exponent.
            Self::Number(number) => write!(f, "{number:?}"),
        }
    }
}
