use crate::{
    CHECKPOINT_FILE, Digest, JobId, LayerwiseSpec, Meaning, OtherSemantics, StatisticsSpec, TrainSpec, TuneSpec,
    WriteSpec,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a job does, and all that decides what comes out of it: its digest is the job's id.
///
/// Adding a kind means a variant here with a specification of its own, a module in the worker that computes it, and a
/// place in the plan of a sweep where it is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum JobSpec {
    /// Makes a model and scores it. Its output is scores.
    Evaluate(Meaning),
    /// Makes a merge and keeps it. Its output is an artefact.
    Write(WriteSpec),
    /// Runs a task's own model over examples and keeps what it learns of them. Its output is an artefact.
    Statistics(StatisticsSpec),
    /// Merges layer by layer by what the models take, and keeps the solution. Its output is an artefact.
    Layerwise(LayerwiseSpec),
    /// Learns the coefficients of a merge from examples of all tasks. Its output is an artefact.
    Tune(TuneSpec),
    /// Trains an adapter for some steps. Its output is an artefact: a checkpoint, or after the last step the adapter.
    Train(Box<TrainSpec>),
}

/// The kinds of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobKind {
    /// See [`JobSpec::Evaluate`].
    Evaluate,
    /// See [`JobSpec::Write`].
    Write,
    /// See [`JobSpec::Statistics`] and [`JobSpec::Layerwise`].
    Statistics,
    /// See [`JobSpec::Tune`].
    Tune,
    /// See [`JobSpec::Train`].
    Train,
}

impl JobSpec {
    /// The job's identity.
    ///
    /// That of an evaluation is the digest of its meaning by itself, as it was before there were other kinds. The text
    /// of any other kind begins with the kind's name.
    pub fn id(&self) -> JobId {
        match self {
            Self::Evaluate(meaning) => meaning.id(),
            Self::Write(_) | Self::Statistics(_) | Self::Layerwise(_) | Self::Tune(_) | Self::Train(_) => {
                JobId::from(Digest::of_json(self))
            }
        }
    }

    /// The kind.
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Evaluate(_) => JobKind::Evaluate,
            Self::Write(_) => JobKind::Write,
            Self::Statistics(_) | Self::Layerwise(_) => JobKind::Statistics,
            Self::Tune(_) => JobKind::Tune,
            Self::Train(_) => JobKind::Train,
        }
    }

    /// The meaning of an evaluation.
    pub fn as_evaluation(&self) -> Option<&Meaning> {
        match self {
            Self::Evaluate(meaning) => Some(meaning),
            Self::Write(_) | Self::Statistics(_) | Self::Layerwise(_) | Self::Tune(_) | Self::Train(_) => None,
        }
    }

    /// The leg of training whose checkpoint the job starts from.
    pub fn leg_before(&self) -> Option<JobId> {
        match self {
            Self::Train(spec) => spec.leg.from,
            Self::Evaluate(_) | Self::Write(_) | Self::Statistics(_) | Self::Layerwise(_) | Self::Tune(_) => None,
        }
    }

    /// Whether this version of the program computes what was meant.
    ///
    /// # Errors
    /// A part is of another version of its semantics: the same job would come to something else here, under an id that
    /// promises what that version comes to.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        match self {
            Self::Evaluate(meaning) => meaning.check_semantics(),
            Self::Write(spec) => spec.check_semantics(),
            Self::Statistics(spec) => spec.check_semantics(),
            Self::Layerwise(spec) => spec.check_semantics(),
            Self::Tune(spec) => spec.check_semantics(),
            Self::Train(spec) => spec.check_semantics(),
        }
    }
}

impl From<Meaning> for JobSpec {
    fn from(meaning: Meaning) -> Self {
        Self::Evaluate(meaning)
    }
}

impl From<WriteSpec> for JobSpec {
    fn from(spec: WriteSpec) -> Self {
        Self::Write(spec)
    }
}

impl From<StatisticsSpec> for JobSpec {
    fn from(spec: StatisticsSpec) -> Self {
        Self::Statistics(spec)
    }
}

impl From<LayerwiseSpec> for JobSpec {
    fn from(spec: LayerwiseSpec) -> Self {
        Self::Layerwise(spec)
    }
}

impl From<TuneSpec> for JobSpec {
    fn from(spec: TuneSpec) -> Self {
        Self::Tune(spec)
    }
}

impl From<TrainSpec> for JobSpec {
    fn from(spec: TrainSpec) -> Self {
        Self::Train(Box::new(spec))
    }
}

impl JobSpec {
    /// Whether a file of the artefact is deleted once no job needs it any more: the checkpoint of a leg of training.
    pub fn is_temporary(&self, file: &str) -> bool {
        match self {
            Self::Train(_) => file == CHECKPOINT_FILE,
            Self::Evaluate(_) | Self::Write(_) | Self::Statistics(_) | Self::Layerwise(_) | Self::Tune(_) => false,
        }
    }
}

impl JobKind {
    /// Its name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Evaluate => "evaluate",
            Self::Write => "write",
            Self::Statistics => "statistics",
            Self::Tune => "tune",
            Self::Train => "train",
        }
    }
}

impl fmt::Display for JobKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
