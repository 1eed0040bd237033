use super::{EngineSettings, attempt::Attempt, image::ImageSession, language::LanguageSession};
use crate::JobError;
use evaluation::ModelKind;
use jobs::{MergeFacts, Precision, TaskScore};

/// All that belongs to one base model.
pub(super) enum Session {
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
        let folder = attempt.checked(place, located, expected)?;
        Ok(match ModelKind::of(&folder)? {
            // The sweep file refuses it, and a message may say it all the same: f32 numbers would get the id of others.
            ModelKind::Clip if attempt.job.meaning.precision != Precision::F32 => {
                return Err(JobError::Precision { precision: attempt.job.meaning.precision.name() });
            }
            ModelKind::Clip => Self::Image(Box::new(ImageSession::open(folder, settings, attempt.metrics)?)),
            ModelKind::Language => Self::Language(Box::new(LanguageSession::open(attempt, &folder, settings)?)),
        })
    }

    /// Makes the job's model and evaluates it.
    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        match self {
            Self::Image(session) => session.compute(attempt),
            Self::Language(session) => session.compute(attempt),
        }
    }
}
