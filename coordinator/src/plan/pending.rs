use super::job::{Phase, PlannedJob};
use crate::Frozen;
use jobs::{
    JobId, LayerwiseSettings, LayerwiseSpec, Recipe, StatisticsSpec, Subject, TrainSpec, TuneSpec, WriteFormat,
};
use std::{collections::VecDeque, mem};

/// A job that a phase will issue.
#[derive(Debug)]
pub(super) struct PendingJob {
    spec: PendingSpec,
    label: String,
    /// The jobs whose artefacts must be stored before this one is issued.
    pub(super) artefacts: Vec<JobId>,
    /// The legs of a training after this one. Each becomes pending once the one before was issued, so that a step of the plan
    /// does not look at all legs of a long training.
    later: VecDeque<TrainSpec>,
}

/// What a pending job does. It becomes a [`Job`] when it is issued, because a job is large.
#[derive(Debug)]
enum PendingSpec {
    Evaluate { subject: Subject, split: String },
    Subset { recipe: Recipe, split: String, tasks: Vec<String> },
    Write { recipe: Recipe, format: WriteFormat },
    Statistics(StatisticsSpec),
    Layerwise(LayerwiseSpec),
    Tune(TuneSpec),
    Train(Box<TrainSpec>),
}

impl PendingJob {
    /// The evaluation of `subject` on `split`. It needs no artefact.
    pub(super) fn evaluation(subject: Subject, split: &str, label: String) -> Self {
        Self {
            spec: PendingSpec::Evaluate { subject, split: split.to_owned() },
            label,
            artefacts: Vec::new(),
            later: VecDeque::new(),
        }
    }

    /// The evaluation of a merge.
    pub(super) fn merge(label: &str, recipe: &Recipe, split: &str) -> Self {
        Self::evaluation(Subject::Merge { recipe: Box::new(recipe.clone()) }, split, label.to_owned())
    }

    /// The evaluation of a merge of some of the adapters on their own tasks. It needs these artefacts, beside those that every
    /// merge of the sweep waits for.
    pub(super) fn subset(name: &str, recipe: &Recipe, split: &str, tasks: &[String], artefacts: Vec<JobId>) -> Self {
        let label = format!("{name} of {} on {split}", tasks.join(", "));
        let spec = PendingSpec::Subset { recipe: recipe.clone(), split: split.to_owned(), tasks: tasks.to_vec() };
        Self { spec, label, artefacts, later: VecDeque::new() }
    }

    /// The job that writes a merge. It needs no artefact.
    pub(super) fn write(label: String, recipe: &Recipe, format: WriteFormat) -> Self {
        Self {
            spec: PendingSpec::Write { recipe: recipe.clone(), format },
            label,
            artefacts: Vec::new(),
            later: VecDeque::new(),
        }
    }

    /// The job that makes statistics.
    pub(super) fn statistics(spec: StatisticsSpec) -> Self {
        let label = format!("{} of {} over {} examples", spec.what.name(), spec.adapter.task, spec.examples);
        Self { spec: PendingSpec::Statistics(spec), label, artefacts: Vec::new(), later: VecDeque::new() }
    }

    /// The job that merges layer by layer.
    pub(super) fn layerwise(spec: LayerwiseSpec) -> Self {
        let tasks: Vec<&str> = spec.adapters.iter().map(|adapter| adapter.task.as_str()).collect();
        let LayerwiseSettings { examples, off_diagonal, ridge, weights } = &spec.settings;
        let mut label = format!(
            "layers of {} over {examples} examples, off_diagonal {off_diagonal}, ridge {ridge}",
            tasks.join(", ")
        );
        if !weights.is_empty() {
            label = format!("{label}, weights {}", jobs::canonical_json(weights));
        }
        Self { spec: PendingSpec::Layerwise(spec), label, artefacts: Vec::new(), later: VecDeque::new() }
    }

    /// The job that learns the coefficients of a merge.
    pub(super) fn tune(name: &str, spec: TuneSpec) -> Self {
        let label = format!("coefficients of {name}");
        Self { spec: PendingSpec::Tune(spec), label, artefacts: Vec::new(), later: VecDeque::new() }
    }

    /// The training of an adapter, as its first leg with the later ones; `None` without legs.
    pub(super) fn training(legs: &[TrainSpec]) -> Option<Self> {
        let mut later: VecDeque<TrainSpec> = legs.iter().cloned().collect();
        let first = later.pop_front()?;
        Some(Self::leg(first, later))
    }

    /// The leg after this one, which becomes pending with those after it.
    pub(super) fn take_next(&mut self) -> Option<Self> {
        let mut later = mem::take(&mut self.later);
        let next = later.pop_front()?;
        Some(Self::leg(next, later))
    }

    /// A leg of the training of an adapter. It needs the leg before.
    fn leg(spec: TrainSpec, later: VecDeque<TrainSpec>) -> Self {
        let label = format!("{} steps {} to {} of {}", spec.task, spec.leg.first + 1, spec.leg.end, spec.steps());
        let artefacts = spec.leg.from.into_iter().collect();
        Self { spec: PendingSpec::Train(Box::new(spec)), label, artefacts, later }
    }

    /// The same, which waits for these artefacts as well.
    pub(super) fn after(mut self, artefacts: impl IntoIterator<Item = JobId>) -> Self {
        self.artefacts.extend(artefacts);
        self
    }

    /// The job itself, as one of `phase`.
    pub(super) fn into_planned(self, frozen: &Frozen, phase: Phase) -> PlannedJob {
        let job = match self.spec {
            PendingSpec::Evaluate { subject, split } => frozen.job(frozen.meaning(subject, &split)),
            PendingSpec::Subset { recipe, split, tasks } => frozen.job(frozen.subset_meaning(&recipe, &split, &tasks)),
            PendingSpec::Write { recipe, format } => frozen.job(frozen.write_spec(&recipe, format)),
            PendingSpec::Statistics(spec) => frozen.job(spec),
            PendingSpec::Layerwise(spec) => frozen.job(spec),
            PendingSpec::Tune(spec) => frozen.job(spec),
            PendingSpec::Train(spec) => frozen.job(*spec),
        };
        PlannedJob { id: job.id(), job, phase, label: self.label }
    }
}
