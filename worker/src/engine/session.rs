use super::{
    EngineSettings,
    attempt::{Attempt, Found},
    image::ImageSession,
    language::LanguageSession,
};
use crate::JobError;
use evaluation::ModelKind;
use files::{FileChanged, FilesInUse, MappedFile};
use jobs::{MergeFacts, Precision, TaskScore};
use std::path::PathBuf;

/// All that belongs to one base model.
///
/// Its files are in use for as long as it lasts: weights are mapped, and tokenizer, text tower and copies of the base's tensors are
/// read when they are needed first.
pub(super) struct Session {
    files: FilesInUse,
    model: Model,
}

enum Model {
    /// A CLIP model, which is shown pictures.
    Image(Box<ImageSession>),
    /// A Llama, which reads texts.
    Language(Box<LanguageSession>),
}

impl Session {
    /// Opens the base of the job.
    pub(super) fn open(attempt: &mut Attempt<'_>, settings: &EngineSettings) -> Result<Self, JobError> {
        let place = &attempt.job.places.base;
        let expected = attempt.job.meaning.base;
        let located = attempt.inputs.expecting(expected).model(place)?;
        let Found { path, files } = attempt.checked(place, located, expected)?;
        let model = attempt.read(&files, || Model::open(attempt, path, settings))?;
        model.mapped_files().try_for_each(|mapped| files.check_map(mapped))?;
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
        match &mut self.model {
            Model::Image(session) => session.compute(attempt),
            Model::Language(session) => session.compute(attempt),
        }
    }
}

impl Model {
    fn open(attempt: &Attempt<'_>, folder: PathBuf, settings: &EngineSettings) -> Result<Self, JobError> {
        Ok(match ModelKind::of(&folder)? {
            // The sweep file refuses it, and a message may say it all the same: f32 numbers would get the id of others.
            ModelKind::Clip if attempt.job.meaning.precision != Precision::F32 => {
                return Err(JobError::Precision { precision: attempt.job.meaning.precision.name() });
            }
            ModelKind::Clip => Self::Image(Box::new(ImageSession::open(folder, settings, attempt.metrics)?)),
            ModelKind::Language => Self::Language(Box::new(LanguageSession::open(attempt, &folder, settings)?)),
        })
    }

    fn mapped_files(&self) -> Box<dyn Iterator<Item = &MappedFile> + '_> {
        match self {
            Self::Image(_) => Box::new(std::iter::empty()),
            Self::Language(session) => Box::new(session.mapped_files()),
        }
    }
}
