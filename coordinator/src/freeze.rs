use crate::{Frozen, FrozenError};
use inputs::{InputError, Inputs};
use jobs::{Benchmark, Digest, HeadSpec, InputRef, JointHeadSpec, Sweep};
use std::collections::BTreeMap;

/// Why a sweep cannot be frozen.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// An input cannot be had.
    #[error("`{key}` of the sweep file cannot be used")]
    Input {
        /// The place in the sweep file, such as `tasks[1].adapter`.
        key: String,
        /// What is wrong with it.
        source: InputError,
    },
    /// The digests are not complete.
    #[error(transparent)]
    Frozen(#[from] FrozenError),
}

impl FreezeError {
    /// Whether the same call may succeed later, without a person doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Input { source, .. } => source.is_retryable(),
            Self::Frozen(_) => false,
        }
    }
}

/// Finds every input of the sweep and digests its content. Blocks; inputs on the hub and in buckets are
/// fetched.
///
/// # Errors
/// The first input that is not there or cannot be read, with its key in the sweep file.
pub fn freeze(sweep: Sweep, inputs: &Inputs) -> Result<Frozen, FreezeError> {
    let mut found = Found::default();
    found.located("base".to_owned(), "base", &sweep.base, inputs.model(&sweep.base))?;
    for (i, task) in sweep.tasks.iter().enumerate() {
        let name = &task.name;
        let adapter = inputs.adapter(&task.adapter);
        found.located(format!("adapters.{name}"), &format!("tasks[{i}].adapter"), &task.adapter, adapter)?;
        for split in sweep.splits() {
            let data = inputs.data(&task.data, split).map_err(at(format!("tasks[{i}].data")))?;
            found.keep(format!("data.{name}.{split}"), data.digest, &task.data.source, data.commit);
        }
        match &task.head {
            // The files of a joint head replace the tasks' own heads: nothing looks at those.
            _ if sweep.evaluation.benchmark != Benchmark::PerTask => {}
            Some(HeadSpec::File(file)) => {
                found.located(format!("heads.{name}"), &format!("tasks[{i}].head"), file, inputs.file(file))?;
            }
            Some(HeadSpec::Adapter(adapter)) => {
                let located = inputs.adapter(adapter);
                found.located(format!("heads.{name}"), &format!("tasks[{i}].adapter"), adapter, located)?;
            }
            Some(HeadSpec::Prompts { classes, templates }) => {
                found.digests.insert(format!("heads.{name}"), HeadSpec::prompts_digest(classes, templates));
            }
            None => {}
        }
    }
    if let Benchmark::Joint { files } = &sweep.evaluation.benchmark {
        let digest = found.joint_head(&sweep, files.as_ref(), inputs)?;
        found.digests.insert("joint".to_owned(), digest);
    }
    Ok(Frozen::new(sweep, found.digests, found.commits)?)
}

#[derive(Default)]
struct Found {
    digests: BTreeMap<String, Digest>,
    commits: BTreeMap<String, String>,
}

impl Found {
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

    /// The joint head's digest: of its two files, or of the texts that it is made from. With the digest of the base
    /// model, which stands beside it in every meaning, either decides the class vectors.
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
