use super::{
    EngineSettings,
    attempt::{Attempt, CheckedInput},
    family::Open,
    splits::{HeldSplits, SplitBudget},
    train::TrainJob,
};
use crate::{JobError, OutputFiles};
use evaluation::{ModelKind, TransferCounts};
use files::{FileChanged, FilesInUse, MappedFile};
use jobs::{LayerwiseSpec, MergeFacts, StatisticsSpec, TaskScore, TuneSpec};

/// Everything that the engine keeps of one base model.
///
/// The files of the base stay in use for as long as the session exists: weights are mapped, and tokenizer, text tower
/// and copies of the base's tensors are read at first use.
pub(super) struct Session {
    files: FilesInUse,
    model: Box<dyn JobSession>,
}

/// Computes the jobs of one base, whatever its family.
pub(super) trait JobSession: Send {
    /// The files of the base that are read while it is evaluated.
    fn mapped_files(&self) -> Vec<&MappedFile>;

    /// What went to the device and came back.
    fn transfers(&self) -> TransferCounts;

    /// Makes the job's model and evaluates it.
    fn compute(&mut self, attempt: &mut Attempt<'_>) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError>;

    /// Makes the job's model and writes statistics of it.
    fn make_statistics(&mut self, attempt: &mut Attempt<'_>, spec: &StatisticsSpec) -> Result<OutputFiles, JobError>;

    /// Merges the job's adapters layer by layer, and writes the solution.
    fn merge_layerwise(&mut self, attempt: &mut Attempt<'_>, spec: &LayerwiseSpec) -> Result<OutputFiles, JobError>;

    /// Learns the coefficients of a merge, and writes them.
    fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<OutputFiles, JobError>;

    /// Trains an adapter for the steps of a leg, and writes the checkpoint or the adapter.
    fn train<'a>(&mut self, attempt: &mut Attempt<'a>, job: TrainJob<'a>) -> Result<OutputFiles, JobError>;
}

impl Session {
    /// Opens the base of the job.
    pub(super) fn open(
        attempt: &mut Attempt<'_>,
        settings: &EngineSettings,
        budget: SplitBudget,
        held: &HeldSplits,
    ) -> Result<Self, JobError> {
        let place = &attempt.job.places.base;
        let expected = attempt.job.meaning.base;
        let located = attempt.inputs.expecting(expected).model(place)?;
        let CheckedInput { path, files } = attempt.checked(place, located, expected)?;
        let model = attempt.read(&files, || {
            let attempt = &*attempt;
            ModelKind::of(&path)?.visit(Open { attempt, folder: &path, settings, budget, held })
        })?;
        model.mapped_files().into_iter().try_for_each(|mapped| files.check_map(mapped))?;
        Ok(Self { files, model })
    }

    /// What went to the device and came back.
    pub(super) fn transfers(&self) -> TransferCounts {
        self.model.transfers()
    }

    /// Fails if a file of the base changed after it was hashed.
    pub(super) fn check_files(&self) -> Result<(), FileChanged> {
        self.files.check()
    }

    /// Makes the job's model and evaluates it.
    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        self.model.compute(attempt)
    }

    /// Makes the job's model and writes statistics of it.
    pub(super) fn make_statistics(
        &mut self,
        attempt: &mut Attempt<'_>,
        spec: &StatisticsSpec,
    ) -> Result<OutputFiles, JobError> {
        self.model.make_statistics(attempt, spec)
    }

    /// Merges the job's adapters layer by layer, and writes the solution.
    pub(super) fn merge_layerwise(
        &mut self,
        attempt: &mut Attempt<'_>,
        spec: &LayerwiseSpec,
    ) -> Result<OutputFiles, JobError> {
        self.model.merge_layerwise(attempt, spec)
    }

    /// Learns the coefficients of a merge, and writes them.
    pub(super) fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<OutputFiles, JobError> {
        self.model.tune(attempt, spec)
    }

    /// Trains an adapter for the steps of a leg, and writes the checkpoint or the adapter.
    pub(super) fn train<'a>(&mut self, attempt: &mut Attempt<'a>, job: TrainJob<'a>) -> Result<OutputFiles, JobError> {
        self.model.train(attempt, job)
    }
}
