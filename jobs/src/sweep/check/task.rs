//! The tasks, whose adapters may still have to be trained.

use super::{
    check_name,
    data::{check_data, command_data},
    head::{HeadKeys, image_head, text_head},
    reference,
};
use crate::{
    DataSpec, HeadSpec, HubKind, InputRef, SweepError, Task,
    sweep::{file::TaskFile, read::typed, training::TrainingFile},
};
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A checked task.
pub(in crate::sweep) struct CheckedTask {
    pub(in crate::sweep) name: String,
    pub(in crate::sweep) adapter: CheckedAdapter,
    pub(in crate::sweep) data: Option<DataSpec>,
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

/// Who evaluates the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sweep) enum Evaluator {
    Bowline,
    /// A command, which reads data by itself.
    Command,
}

/// Checks the tasks, in merge order.
pub(in crate::sweep) fn check_tasks(
    files: Vec<TaskFile>,
    evaluator: Evaluator,
    folder: &Path,
) -> Result<Vec<CheckedTask>, SweepError> {
    if files.is_empty() {
        return Err(SweepError::invalid("tasks", "is empty; a sweep needs at least one task"));
    }
    let mut names = BTreeSet::new();
    let mut tasks = Vec::with_capacity(files.len());
    for (i, file) in files.into_iter().enumerate() {
        let path = format!("tasks[{i}]");
        check_name(&format!("{path}.name"), &file.name)?;
        if !names.insert(file.name.clone()) {
            return Err(SweepError::invalid(format!("{path}.name"), format!("is `{}` a second time", file.name)));
        }
        for (split, share) in &file.finetuned {
            if !(*share > 0.0 && *share <= 1.0) {
                let problem = format!("is {share}, outside (0, 1]; accuracies are shares");
                return Err(SweepError::invalid(format!("{path}.finetuned.{split}"), problem));
            }
        }
        let Some(adapter) = file.adapter else {
            return Err(SweepError::invalid(&path, "needs an `adapter`"));
        };
        let adapter = check_adapter(&format!("{path}.adapter"), adapter, folder)?;
        let keys = HeadKeys { head: file.head, classes: file.classes, templates: file.templates };
        let (data, head) = match evaluator {
            Evaluator::Bowline => {
                let Some(data) = file.data else { return Err(SweepError::invalid(&path, "needs `data`")) };
                let data = check_data(&format!("{path}.data"), data, folder)?;
                let head = match data.text {
                    Some(_) => text_head(&path, keys, adapter.given(), folder)?,
                    None => image_head(&path, keys, folder)?,
                };
                (Some(data), head)
            }
            Evaluator::Command => {
                refuse_head(&path, &keys)?;
                (file.data.map(|data| command_data(&format!("{path}.data"), data, folder)).transpose()?, None)
            }
        };
        tasks.push(CheckedTask { name: file.name, adapter, data, head, finetuned: file.finetuned });
    }
    check_kinds(&tasks)?;
    Ok(tasks)
}

/// A command has classes of its own.
fn refuse_head(path: &str, keys: &HeadKeys) -> Result<(), SweepError> {
    let HeadKeys { head, classes, templates } = keys;
    let keys = [("head", head.is_some()), ("classes", classes.is_some()), ("templates", templates.is_some())];
    match keys.into_iter().find(|(_, is_there)| *is_there) {
        Some((key, _)) => {
            let problem = "has no effect beside `evaluation.command`, which scores the task by itself";
            Err(SweepError::invalid(format!("{path}.{key}"), problem))
        }
        None => Ok(()),
    }
}

/// One base model reads either images or texts.
fn check_kinds(tasks: &[CheckedTask]) -> Result<(), SweepError> {
    let texts = tasks.iter().position(|task| task.data.as_ref().is_some_and(|data| data.text.is_some()));
    let images = tasks.iter().position(|task| task.data.as_ref().is_some_and(|data| data.text.is_none()));
    match (texts, images) {
        (Some(texts), Some(images)) => {
            let problem = format!("has texts, and `tasks[{images}].data` images; a sweep is over one of them");
            Err(SweepError::invalid(format!("tasks[{texts}].data"), problem))
        }
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToTrain {
    train: Value,
}

fn check_adapter(path: &str, value: Value, folder: &Path) -> Result<CheckedAdapter, SweepError> {
    match value {
        Value::String(text) => reference(path, &text, folder, HubKind::Model).map(CheckedAdapter::Given),
        map @ Value::Object(_) => {
            let ToTrain { train } = typed(map, path)?;
            Ok(CheckedAdapter::Trained(Box::new(TrainingFile::read(train, &format!("{path}.train"))?)))
        }
        _ => Err(SweepError::invalid(path, "is neither a reference nor `{train: {…}}`")),
    }
}
