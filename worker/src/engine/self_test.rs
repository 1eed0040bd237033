use super::{
    EngineSettings,
    attempt::{EvaluateJob, located_adapter, unchanged},
    memory::check_memory,
};
use crate::{JobError, SelfTest};
use inputs::Inputs;
use jobs::{AdapterInput, CommandInput, Digest, HeadSpec, InputLocations, InputRef, Job, JobSpec};
use std::{fmt, path::PathBuf, sync::Arc};

/// Tests what an engine needs of a machine: readable inputs with the digests that the job names, and memory for the
/// base.
pub struct EngineSelfTest {
    pub(super) inputs: Arc<Inputs>,
    pub(super) settings: EngineSettings,
}

impl fmt::Debug for EngineSelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineSelfTest").finish_non_exhaustive()
    }
}

impl SelfTest for EngineSelfTest {
    fn run(&self, job: &Job) -> Result<(), JobError> {
        let places = &job.places;
        match job.spec() {
            JobSpec::Evaluate(meaning) => self.check_evaluation(EvaluateJob { meaning, places }),
            JobSpec::Statistics(spec) => self.check_evaluation(EvaluateJob { meaning: &spec.as_evaluation(), places }),
            JobSpec::Layerwise(spec) => self.check_evaluation(EvaluateJob { meaning: &spec.as_evaluation(), places }),
            JobSpec::Tune(spec) => self.check_evaluation(EvaluateJob { meaning: &spec.as_evaluation(), places }),
            JobSpec::Train(spec) => {
                self.check_evaluation(EvaluateJob { meaning: &spec.as_evaluation(&spec.training), places })
            }
            JobSpec::Write(spec) => {
                self.checked_model(&places.base, spec.base)?;
                self.check_adapters(&spec.adapters, places)
            }
        }
    }
}

impl EngineSelfTest {
    fn check_evaluation(&self, job: EvaluateJob<'_>) -> Result<(), JobError> {
        let EvaluateJob { meaning, places } = job;
        let folder = self.checked_model(&places.base, meaning.base)?;
        if let Some(command) = meaning.benchmark.command() {
            self.check_adapters(&meaning.adapters, places)?;
            return self.check_command(command, job);
        }
        check_memory(&folder, meaning.precision, &self.settings)?;
        self.check_adapters(&meaning.adapters, places)?;
        for task in &meaning.tasks {
            if let Some(spec) = places.data.get(&task.name) {
                let located = self.inputs.expecting(task.data).data(spec, &meaning.split)?;
                unchanged(&spec.source, located.digest, task.data)?;
            }
            if let Some(HeadSpec::File(file)) = places.heads.get(&task.name)
                && let Some(digest) = task.head
            {
                let located = self.inputs.expecting(digest).file(file)?;
                unchanged(file, located.digest, digest)?;
            }
        }
        Ok(())
    }

    /// What a command reads.
    fn check_command(&self, command: &CommandInput, job: EvaluateJob<'_>) -> Result<(), JobError> {
        let EvaluateJob { meaning, places } = job;
        let whole = self.inputs.expecting(command.base).whole_model(&places.base)?;
        unchanged(&places.base, whole.digest, command.base)?;
        let located = places.command.iter().flat_map(|command| &command.files);
        for (name, place) in located {
            if let Some(digest) = command.files.get(name) {
                unchanged(place, self.inputs.expecting(*digest).file(place)?.digest, *digest)?;
            }
        }
        for task in &meaning.tasks {
            if let Some(spec) = places.data.get(&task.name) {
                let contents = self.inputs.anything(&spec.source)?.digest;
                let digest = CommandInput::data_digest(Some(contents), &task.name, &meaning.split);
                unchanged(&spec.source, digest, task.data)?;
            }
        }
        Ok(())
    }

    /// The folder of the base, if it has the digest that the job names.
    fn checked_model(&self, place: &InputRef, expected: Digest) -> Result<PathBuf, JobError> {
        let located = self.inputs.expecting(expected).model(place)?;
        unchanged(place, located.digest, expected)?;
        Ok(located.path)
    }

    fn check_adapters(&self, adapters: &[AdapterInput], places: &InputLocations) -> Result<(), JobError> {
        for adapter in adapters {
            if let Some(place) = places.adapters.get(&adapter.task) {
                located_adapter(&self.inputs, place, adapter.digest)?;
            }
        }
        Ok(())
    }
}
