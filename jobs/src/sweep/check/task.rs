//! A task whose adapter may still have to be trained.

use super::reference;
use crate::{
    DataSpec, HeadSpec, HubKind, InputRef, SweepError, Task,
    sweep::{read::typed, training::TrainingFile},
};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// A checked task.
pub(in crate::sweep) struct CheckedTask {
    pub(in crate::sweep) name: String,
    pub(in crate::sweep) adapter: CheckedAdapter,
    pub(in crate::sweep) data: DataSpec,
    pub(in crate::sweep) head: Option<HeadSpec>,
    pub(in crate::sweep) finetuned: BTreeMap<String, f64>,
}

/// An adapter that is there, or is to be trained.
pub(in crate::sweep) enum CheckedAdapter {
    Given(InputRef),
    /// With what differs from `training`.
    Trained(Box<TrainingFile>),
}

impl CheckedAdapter {
    /// The adapter, if it is there.
    pub(super) fn given(&self) -> Option<&InputRef> {
        match self {
            Self::Given(reference) => Some(reference),
            Self::Trained(_) => None,
        }
    }
}

impl CheckedTask {
    /// The task, number `i` of the file, as a sweep merges it.
    pub(super) fn adapted(self, i: usize) -> Result<Task, SweepError> {
        let Self { name, adapter, data, head, finetuned } = self;
        match adapter {
            CheckedAdapter::Given(adapter) => Ok(Task { name, adapter, data, head, finetuned }),
            CheckedAdapter::Trained(_) => {
                let problem = format!(
                    "is to be trained, which a sweep does not do by itself yet: `bowline finetune SWEEP.yaml --task {name} --out DIR` \
                     trains it; then name its folder here"
                );
                Err(SweepError::invalid(format!("tasks[{i}].adapter"), problem))
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToTrain {
    train: Value,
}

pub(super) fn check_adapter(path: &str, value: Value, folder: &Path) -> Result<CheckedAdapter, SweepError> {
    match value {
        Value::String(text) => reference(path, &text, folder, HubKind::Model).map(CheckedAdapter::Given),
        map @ Value::Object(_) => {
            let ToTrain { train } = typed(map, path)?;
            Ok(CheckedAdapter::Trained(Box::new(TrainingFile::read(train, &format!("{path}.train"))?)))
        }
        _ => Err(SweepError::invalid(path, "is neither a reference nor `{train: {…}}`")),
    }
}
