use crate::{Frozen, FrozenError};
use inputs::{InputError, Inputs};
use jobs::{Benchmark, CommandInput, CommandSpec, Digest, HeadSpec, InputRef, JointHeadSpec, Sweep};
use std::collections::BTreeMap;

/// Why a sweep cannot be frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// An input cannot be located or read.
    #[error("`{key}` of the sweep file cannot be used")]
    Input {
        /// Its key in the sweep file, such as `tasks[1].adapter`.
        key: String,
        /// Why it cannot be used.
        source: InputError,
    },
    /// A digest is missing.
    #[error(transparent)]
    Frozen(#[from] FrozenError),
}

impl FreezeError {
    /// Whether the same call may succeed later without any action of a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input { source, .. } => source.is_retryable(),
            Self::Frozen(_) => false,
        }
    }
}

/// Locates every input of the sweep and computes its digest. Blocks. Fetches inputs on the hub and in buckets.
///
/// # Errors
/// The first input that does not exist or cannot be read, with its key in the sweep file.
pub fn freeze(sweep: Sweep, inputs: &Inputs) -> Result<Frozen, FreezeError> {
    let mut resolved = ResolvedInputs::default();
    resolved.located("base".to_owned(), "base", &sweep.base, inputs.model(&sweep.base))?;
    for (i, task) in sweep.tasks.iter().enumerate() {
        let name = &task.name;
        if let Some(adapter) = task.adapter.given() {
            let located = inputs.adapter(adapter);
            resolved.located(format!("adapters.{name}"), &sweep.adapter_key(name), adapter, located)?;
        }
        if sweep.evaluation.benchmark.command().is_some() {
            resolved.command_data(&sweep, i, inputs)?;
            continue;
        }
        for split in sweep.splits_of(task) {
            let Some(spec) = &task.data else { continue };
            let data = inputs.data(spec, split).map_err(at(format!("tasks[{i}].data")))?;
            resolved.keep(format!("data.{name}.{split}"), data.digest, &spec.source, data.commit);
        }
        match &task.head {
            // A joint benchmark does not read the heads of the tasks, but training does.
            _ if sweep.evaluation.benchmark != Benchmark::PerTask && task.adapter.training().is_none() => {}
            Some(HeadSpec::File(file)) => {
                resolved.located(format!("heads.{name}"), &format!("tasks[{i}].head"), file, inputs.file(file))?;
            }
            Some(HeadSpec::Adapter(adapter)) => {
                let located = inputs.adapter(adapter);
                resolved.located(format!("heads.{name}"), &sweep.adapter_key(name), adapter, located)?;
            }
            Some(HeadSpec::Prompts { classes, templates }) => {
                resolved.digests.insert(format!("heads.{name}"), HeadSpec::prompts_digest(classes, templates));
            }
            None => {}
        }
    }
    if let Benchmark::Joint { files } = &sweep.evaluation.benchmark {
        let digest = resolved.joint_head(&sweep, files.as_ref(), inputs)?;
        resolved.digests.insert("joint".to_owned(), digest);
    }
    if let Some(command) = sweep.evaluation.benchmark.command() {
        resolved.located("base.files".to_owned(), "base", &sweep.base, inputs.whole_model(&sweep.base))?;
        resolved.command_files(command, inputs)?;
    }
    Ok(Frozen::new(sweep, resolved.digests, resolved.commits)?)
}

#[derive(Default)]
struct ResolvedInputs {
    digests: BTreeMap<String, Digest>,
    commits: BTreeMap<String, String>,
}

impl ResolvedInputs {
    fn keep(&mut self, name: String, digest: Digest, reference: &InputRef, commit: Option<String>) {
        self.digests.insert(name, digest);
        self.commits.extend(commit.map(|commit| (reference.to_string(), commit)));
    }

    fn located(
        &mut self,
        name: String,
        key: &str,
        reference: &InputRef,
        located: Result<inputs::Located, InputError>,
    ) -> Result<(), FreezeError> {
        let located = located.map_err(at(key.to_owned()))?;
        self.keep(name, located.digest, reference, located.commit);
        Ok(())
    }

    /// What a command reads of a task: everything in the file or folder that the sweep file names.
    fn command_data(&mut self, sweep: &Sweep, place: usize, inputs: &Inputs) -> Result<(), FreezeError> {
        let task = &sweep.tasks[place];
        let located = match &task.data {
            Some(spec) => Some(inputs.anything(&spec.source).map_err(at(format!("tasks[{place}].data")))?),
            None => None,
        };
        for split in sweep.data_splits() {
            let digest = CommandInput::data_digest(located.as_ref().map(|located| located.digest), &task.name, split);
            self.digests.insert(format!("data.{}.{split}", task.name), digest);
        }
        if let (Some(located), Some(spec)) = (located, &task.data) {
            self.commits.extend(located.commit.map(|commit| (spec.source.to_string(), commit)));
        }
        Ok(())
    }

    fn command_files(&mut self, command: &CommandSpec, inputs: &Inputs) -> Result<(), FreezeError> {
        for (name, file) in &command.files {
            self.located(format!("command.{name}"), "evaluation.files", file, inputs.file(file))?;
        }
        Ok(())
    }

    /// The digest of the joint head: of its two files, or of the texts from which it is made. Together with the digest
    /// of the base model, which every meaning contains, either one decides the class vectors.
    fn joint_head(
        &mut self,
        sweep: &Sweep,
        files: Option<&JointHeadSpec>,
        inputs: &Inputs,
    ) -> Result<Digest, FreezeError> {
        let Some(JointHeadSpec { head, map }) = files else {
            let texts: Vec<_> = sweep.tasks.iter().map(|task| (&task.name, &task.head)).collect();
            return Ok(Digest::of_json(&texts));
        };
        self.located("joint.head".to_owned(), "evaluation.head", head, inputs.file(head))?;
        self.located("joint.map".to_owned(), "evaluation.map", map, inputs.file(map))?;
        Ok(JointHeadSpec::digest(self.digests["joint.head"], self.digests["joint.map"]))
    }
}

fn at(key: String) -> impl FnOnce(InputError) -> FreezeError {
    move |source| FreezeError::Input { key, source }
}
