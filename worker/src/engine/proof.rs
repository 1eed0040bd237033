use super::{
    EngineSettings,
    attempt::{Evaluated, unchanged},
    memory::check_memory,
};
use crate::{JobError, Proof};
use inputs::Inputs;
use jobs::{AdapterInput, Digest, HeadSpec, InputLocations, InputRef, Job, JobSpec};
use std::{fmt, path::PathBuf, sync::Arc};

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
        let places = &job.places;
        match &job.spec {
            JobSpec::Evaluate(meaning) => self.prove_evaluation(Evaluated { meaning, places }),
            JobSpec::Statistics(spec) => self.prove_evaluation(Evaluated { meaning: &spec.as_evaluation(), places }),
            JobSpec::Tune(spec) => self.prove_evaluation(Evaluated { meaning: &spec.as_evaluation(), places }),
            JobSpec::Write(spec) => {
                self.checked_model(&places.base, spec.base)?;
                self.check_adapters(&spec.adapters, places)
            }
        }
    }
}

impl EngineProof {
    fn prove_evaluation(&self, Evaluated { meaning, places }: Evaluated<'_>) -> Result<(), JobError> {
        let folder = self.checked_model(&places.base, meaning.base)?;
        check_memory(&folder, meaning.precision, &self.settings)?;
        self.check_adapters(&meaning.adapters, places)?;
        for task in &meaning.tasks {
            if let Some(spec) = places.data.get(&task.name) {
                let located = self.inputs.expecting(task.data).data(spec, &meaning.split)?;
                unchanged(&spec.source, located.digest, task.data)?;
            }
            if let (Some(HeadSpec::File(file)), Some(digest)) = (places.heads.get(&task.name), task.head) {
                let located = self.inputs.expecting(digest).file(file)?;
                unchanged(file, located.digest, digest)?;
            }
        }
        Ok(())
    }

    /// The folder of the base, if it is what the job was made for.
    fn checked_model(&self, place: &InputRef, expected: Digest) -> Result<PathBuf, JobError> {
        let located = self.inputs.expecting(expected).model(place)?;
        unchanged(place, located.digest, expected)?;
        Ok(located.path)
    }

    fn check_adapters(&self, adapters: &[AdapterInput], places: &InputLocations) -> Result<(), JobError> {
        for adapter in adapters {
            if let Some(place) = places.adapters.get(&adapter.task) {
                let located = self.inputs.expecting(adapter.digest).adapter(place)?;
                unchanged(place, located.digest, adapter.digest)?;
            }
        }
        Ok(())
    }
}
