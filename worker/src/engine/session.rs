use super::{
    EngineSettings,
    attempt::{Attempt, Found},
    family::Open,
};
use crate::{JobError, MadeFiles};
use evaluation::ModelKind;
use files::{FileChanged, FilesInUse, MappedFile};
use jobs::{MergeFacts, StatisticsSpec, TaskScore, TuneSpec};

/// All that belongs to one base model.
///
/// Its files are in use for as long as it lasts: weights are mapped, and tokenizer, text tower and copies of the base's tensors are
/// read when they are needed first.
pub(super) struct Session {
    files: FilesInUse,
    model: Box<dyn JobSession>,
}

/// What computes the jobs of one base, of whatever family it is.
pub(super) trait JobSession: Send {
    /// The files of the base that are read while it is evaluated.
    fn mapped_files(&self) -> Vec<&MappedFile>;

    /// Makes the job's model and evaluates it.
    fn compute(&mut self, attempt: &mut Attempt<'_>) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError>;

    /// Makes the job's model and writes statistics of it.
    fn make_statistics(&mut self, attempt: &mut Attempt<'_>, spec: &StatisticsSpec) -> Result<MadeFiles, JobError>;

    /// Learns the coefficients of a merge, and writes them.
    fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<MadeFiles, JobError>;
}

impl Session {
    /// Opens the base of the job.
    pub(super) fn open(attempt: &mut Attempt<'_>, settings: &EngineSettings) -> Result<Self, JobError> {
        let place = &attempt.job.places.base;
        let expected = attempt.job.meaning.base;
        let located = attempt.inputs.expecting(expected).model(place)?;
        let Found { path, files } = attempt.checked(place, located, expected)?;
        let model = attempt.read(&files, || {
            let attempt = &*attempt;
            ModelKind::of(&path)?.visit(Open { attempt, folder: &path, settings })
        })?;
        model.mapped_files().into_iter().try_for_each(|mapped| files.check_map(mapped))?;
        Ok(Self { files, model })
    }

    /// Fails unless the files of the base are what they were when they were hashed.
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
    ) -> Result<MadeFiles, JobError> {
        self.model.make_statistics(attempt, spec)
    }

    /// Learns the coefficients of a merge, and writes them.
    pub(super) fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<MadeFiles, JobError> {
        self.model.tune(attempt, spec)
    }
}
