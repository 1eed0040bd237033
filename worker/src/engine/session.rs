use super::{EngineSettings, attempt::Attempt, image::ImageSession};
use crate::JobError;
use jobs::{MergeFacts, TaskScore};

/// All that belongs to one base model.
pub(super) enum Session {
    /// A CLIP model, which is shown pictures.
    Image(Box<ImageSession>),
}

impl Session {
    /// Opens the base of the job.
    pub(super) fn open(attempt: &mut Attempt<'_>, settings: &EngineSettings) -> Result<Self, JobError> {
        Ok(Self::Image(Box::new(ImageSession::open(attempt, settings)?)))
    }

    /// Makes the job's model and evaluates it.
    pub(super) fn compute(
        &mut self,
        attempt: &mut Attempt<'_>,
    ) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        match self {
            Self::Image(session) => session.compute(attempt),
        }
    }
}
