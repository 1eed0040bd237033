//! The tasks, whose adapters may still have to be trained.

use super::{
    check_name,
    data::{check_data, command_data},
    findings::Findings,
    head::{HeadKeys, image_head, text_head},
    reference,
};
use crate::{
    DataSpec, HeadSpec, HubKind, InputRef, SweepError, Task, TaskAdapter, TaskTraining, TrainingKeys,
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
    /// The task, number `i` of the file, as a sweep has it; `shared` is `training`.
    pub(super) fn adapted(self, i: usize, shared: &TrainingFile) -> Result<Task, SweepError> {
        let Self { name, adapter, data, head, finetuned } = self;
        let own = match adapter {
            CheckedAdapter::Given(adapter) => {
                return Ok(Task { name, adapter: adapter.into(), data, head, finetuned });
            }
            CheckedAdapter::Trained(own) => own,
        };
        if let Some(split) = finetuned.keys().next() {
            let problem = "is the accuracy of an adapter that is not there yet; leave it out, and it is measured";
            return Err(SweepError::invalid(format!("tasks[{i}].finetuned.{split}"), problem));
        }
        let keys = TrainingKeys::new(Some(*own), shared, format!("tasks[{i}].adapter.train"))?;
        let adapter = TaskAdapter::Train(Box::new(TaskTraining::new(keys)?));
        Ok(Task { name, adapter, data, head, finetuned })
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
    let mut found = Findings::default();
    let mut names = BTreeSet::new();
    let mut tasks = Vec::with_capacity(files.len());
    for (i, file) in files.into_iter().enumerate() {
        let path = format!("tasks[{i}]");
        if !names.insert(file.name.clone()) {
            let problem = format!("is `{}` a second time", file.name);
            found.extend([SweepError::invalid(format!("{path}.name"), problem)]);
        }
        tasks.extend(found.take(check_task(&path, file, evaluator, folder)));
    }
    found.take(check_kinds(&tasks));
    found.end()?;
    Ok(tasks)
}

fn check_task(path: &str, file: TaskFile, evaluator: Evaluator, folder: &Path) -> Result<CheckedTask, SweepError> {
    let mut found = Findings::default();
    found.take(check_name(&format!("{path}.name"), &file.name));
    for (split, share) in &file.finetuned {
        if !(*share > 0.0 && *share <= 1.0) {
            let problem = format!("is {share}, outside (0, 1]; accuracies are shares");
            found.extend([SweepError::invalid(format!("{path}.finetuned.{split}"), problem)]);
        }
    }
    let adapter = file.adapter.ok_or_else(|| SweepError::invalid(path, "needs an `adapter`"));
    let adapter = adapter.and_then(|adapter| check_adapter(&format!("{path}.adapter"), adapter, folder));
    let adapter = found.take(adapter);
    let place = format!("{path}.data");
    let data = match evaluator {
        Evaluator::Bowline => {
            let data =
                file.data.ok_or_else(|| SweepError::invalid(path, "needs `data`: a reference to a data set, or a map"));
            data.and_then(|data| check_data(&place, data, folder)).map(Some)
        }
        Evaluator::Command => file.data.map(|data| command_data(&place, data, folder)).transpose(),
    };
    let data = found.take(data);
    found.end()?;
    let adapter = adapter.expect("nothing is wrong with it");
    let data = data.expect("nothing is wrong with them");
    let keys = HeadKeys { head: file.head, classes: file.classes, templates: file.templates };
    let head = match (evaluator, &data) {
        (Evaluator::Command, _) | (Evaluator::Bowline, None) => {
            refuse_head(path, &keys)?;
            if adapter.given().is_none() {
                let problem =
                    "trains, which needs a base and data that Bowline reads; beside `evaluation.command` name a folder";
                return Err(SweepError::invalid(format!("{path}.adapter"), problem));
            }
            None
        }
        (Evaluator::Bowline, Some(data)) if data.text.is_some() => text_head(path, keys, adapter.given(), folder)?,
        (Evaluator::Bowline, Some(_)) => image_head(path, keys, folder)?,
    };
    Ok(CheckedTask { name: file.name, adapter, data, head, finetuned: file.finetuned })
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
