use super::{EngineSettings, attempt::Attempt, memory::check_memory};
use crate::{JobError, Metrics, Proof, Stop};
use inputs::Inputs;
use jobs::{HeadSpec, Job};
use std::{fmt, sync::Arc};

/// What an engine needs of a machine: inputs that can be read and are what jobs were made for, and memory for the base.
pub struct EngineProof {
    pub(super) inputs: Arc<Inputs>,
    pub(super) settings: EngineSettings,
}

impl fmt::Debug for EngineProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineProof").finish_non_exhaustive()
    }
}

impl Proof for EngineProof {
    fn prove(&self, job: &Job) -> Result<(), JobError> {
        let stop = Stop::default();
        let metrics = Metrics::default();
        let mut attempt = Attempt::new(job, &self.inputs, &stop, &metrics);
        let meaning = &job.meaning;
        let places = &job.places;
        let located = self.inputs.expecting(meaning.base).model(&places.base)?;
        let folder = attempt.checked(&places.base, located, meaning.base)?.path;
        check_memory(&folder, meaning.precision, &self.settings)?;
        for adapter in &meaning.adapters {
            if let Some(place) = places.adapters.get(&adapter.task) {
                let located = self.inputs.expecting(adapter.digest).adapter(place)?;
                attempt.checked(place, located, adapter.digest)?;
            }
        }
        for task in &meaning.tasks {
            if let Some(spec) = places.data.get(&task.name) {
                let located = self.inputs.expecting(task.data).data(spec, &meaning.split)?;
                attempt.unchanged(&spec.source, located.digest, task.data)?;
            }
            if let (Some(HeadSpec::File(file)), Some(digest)) = (places.heads.get(&task.name), task.head) {
                let located = self.inputs.expecting(digest).file(file)?;
                attempt.checked(file, located, digest)?;
            }
        }
        Ok(())
    }
}
