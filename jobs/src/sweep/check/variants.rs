//! Variants of the adapters: each value stands for one set of adapters, and becomes a sweep of its own.

use super::{check_name, reference};
use crate::{
    HubKind, Sweep, SweepError, Variant, VariantValue,
    nearest::nearest,
    sweep::{
        file::{SweepFile, TaskFile, VariantFile, VariantsFile},
        read::typed,
        training::{TrainingFile, check_training},
    },
};
use serde_json::{Number, Value, json};
use std::{collections::BTreeMap, path::Path};

/// A variant with its adapters, as they are written.
struct Checked {
    variant: Variant,
    adapters: Adapters,
}

/// The adapters of a variant.
#[derive(Debug, PartialEq)]
enum Adapters {
    /// They are there, by task.
    Given(BTreeMap<String, String>),
    /// The sweep trains them.
    Trained(Box<TrainedVariant>),
}

/// How a variant trains its adapters.
#[derive(Debug)]
struct TrainedVariant {
    /// What differs from `training`.
    own: TrainingFile,
    /// The same over `training`.
    all: TrainingFile,
}

impl PartialEq for TrainedVariant {
    /// Whether both train in the same way, wherever the keys stand.
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl SweepFile {
    /// The sweep that the file describes, or the sweep of each of its variants.
    pub(in crate::sweep) fn check_all(mut self, folder: &Path) -> Result<Vec<Sweep>, SweepError> {
        let Some(variants) = self.variants.take() else { return Ok(vec![self.check(folder)?]) };
        check_name("name", &self.name)?;
        self.refuse_beside_variants()?;
        let checked = check_variants(variants, &self, folder)?;
        self.check_own_training(&checked)?;
        let sweep = |Checked { variant, adapters }: Checked| {
            let file = self.clone().with_adapters(adapters);
            Ok(Sweep { name: variant.sweep(), variant: Some(variant), ..file.check(folder)? })
        };
        checked.into_iter().map(sweep).collect()
    }

    /// The file with the adapters of a variant, as if it named them alone.
    fn with_adapters(mut self, adapters: Adapters) -> Self {
        match adapters {
            Adapters::Given(adapters) => {
                for task in &mut self.tasks {
                    task.adapter = adapters.get(&task.name).cloned().map(Value::String);
                }
            }
            Adapters::Trained(variant) => {
                self.training = Some(serde_json::to_value(variant.all).expect("keys are plain data"));
                for task in &mut self.tasks {
                    task.adapter.get_or_insert_with(|| json!({"train": {}}));
                }
            }
        }
        self
    }

    /// Settings of a task's own stand beside variants only where every variant is trained, and none of them says the same key: a
    /// variant would then not be what it is named by.
    fn check_own_training(&self, variants: &[Checked]) -> Result<(), SweepError> {
        for (i, task) in self.tasks.iter().enumerate() {
            let Some(adapter) = &task.adapter else { continue };
            let own = adapter.get("train").and_then(Value::as_object);
            for (place, Checked { adapters, .. }) in variants.iter().enumerate() {
                let (Adapters::Trained(training), Some(own)) = (adapters, own) else {
                    let problem = "stands beside `variants`, which name the adapters of every task";
                    return Err(SweepError::invalid(format!("tasks[{i}].adapter"), problem));
                };
                let stated = serde_json::to_value(&training.own).expect("keys are plain data");
                let pairs = own.keys().flat_map(|key| alike(key).into_iter().map(move |other| (key, other)));
                if let Some((key, other)) = pairs.into_iter().find(|(_, other)| stated.get(*other).is_some()) {
                    let problem = format!("stands beside `variants.values[{place}].training.{other}`; use one");
                    return Err(SweepError::invalid(format!("tasks[{i}].adapter.train.{key}"), problem));
                }
            }
        }
        Ok(())
    }

    /// Refuses what is about one set of adapters.
    fn refuse_beside_variants(&self) -> Result<(), SweepError> {
        for (i, task) in self.tasks.iter().enumerate() {
            if !task.finetuned.is_empty() {
                let problem = "stands beside `variants`, and every variant has adapters with accuracies of their own; \
                               leave it out, and they are measured";
                return Err(SweepError::invalid(format!("tasks[{i}].finetuned"), problem));
            }
        }
        if self.reference.is_some() {
            let problem = "stands beside `variants`, and published figures are of one set of adapters";
            return Err(SweepError::invalid("reference", problem));
        }
        Ok(())
    }
}

/// A key of `training` with the one that says the same in another way.
fn alike(key: &str) -> Vec<&str> {
    match key {
        "steps" | "epochs" => vec!["steps", "epochs"],
        "warmup" | "warmup_steps" => vec!["warmup", "warmup_steps"],
        key => vec![key],
    }
}

fn check_variants(file: VariantsFile, sweep: &SweepFile, folder: &Path) -> Result<Vec<Checked>, SweepError> {
    let VariantsFile { key, adapter: pattern, values } = file;
    check_name("variants.key", &key)?;
    if values.len() < 2 {
        let problem = "needs at least two values; without `variants`, `tasks[].adapter` names one set of adapters";
        return Err(SweepError::invalid("variants.values", problem));
    }
    let mut checked: Vec<Checked> = Vec::with_capacity(values.len());
    for (place, entry) in values.into_iter().enumerate() {
        let path = format!("variants.values[{place}]");
        let entry = entry_of(entry, &path)?;
        let value = check_value(entry.value.clone(), &format!("{path}.value"))?;
        if checked.iter().any(|earlier| earlier.variant.value.is_same(&value)) {
            return Err(SweepError::invalid(format!("{path}.value"), format!("is `{value}` a second time")));
        }
        let adapters = check_adapters(entry, &value, pattern.as_deref(), &path, sweep)?;
        if let Adapters::Given(adapters) = &adapters {
            for (task, adapter) in adapters {
                reference(&format!("{path}.adapters.{task}"), adapter, folder, HubKind::Model)?;
            }
        }
        if let Some(earlier) = checked.iter().find(|earlier| earlier.adapters == adapters) {
            let problem = format!("has the same adapters as the value `{}`", earlier.variant.value);
            return Err(SweepError::invalid(path, problem));
        }
        let variant = Variant { of: sweep.name.clone(), key: key.clone(), value, place: place as u32 };
        // The value is part of a name in the store.
        check_name("the sweep of a variant", &variant.sweep())?;
        checked.push(Checked { variant, adapters });
    }
    Ok(checked)
}

/// An entry of `values`: a map, or the bare value.
fn entry_of(entry: Value, path: &str) -> Result<VariantFile, SweepError> {
    match entry {
        entry @ Value::Object(_) => typed(entry, path),
        value => Ok(VariantFile { value, adapter: None, adapters: None, training: None }),
    }
}

fn check_value(value: Value, path: &str) -> Result<VariantValue, SweepError> {
    match value {
        Value::Number(number) => Ok(VariantValue::Number(without_fraction(number))),
        Value::String(word) => {
            check_name(path, &word)?;
            Ok(VariantValue::Word(word))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(SweepError::invalid(path, "is neither a number nor a word"))
        }
    }
}

/// A whole number as people write it: `4.0` and `4e0` as 4, so that a value has one text.
fn without_fraction(number: Number) -> Number {
    match number.as_f64() {
        // Every whole number of this size is exact.
        Some(value) if number.is_f64() && value.fract() == 0.0 && value.abs() < 9e15 => Number::from(value as i64),
        Some(_) | None => number,
    }
}

/// The adapters of a variant by task, from its map, from its pattern, or from the pattern of all variants; or how they are
/// trained.
fn check_adapters(
    entry: VariantFile,
    value: &VariantValue,
    of_all: Option<&str>,
    path: &str,
    sweep: &SweepFile,
) -> Result<Adapters, SweepError> {
    let tasks = &sweep.tasks;
    let filled = |pattern: &str, path: &str| {
        check_pattern(pattern, path, tasks.len())?;
        let of_task = |name: &String| pattern.replace("{value}", &value.to_string()).replace("{task}", name);
        Ok(Adapters::Given(tasks.iter().map(|task| (task.name.clone(), of_task(&task.name))).collect()))
    };
    if let Some(training) = entry.training {
        if entry.adapter.is_some() || entry.adapters.is_some() {
            let problem = "stands beside adapters that are there; use one";
            return Err(SweepError::invalid(format!("{path}.training"), problem));
        }
        let own = TrainingFile::read(training, &format!("{path}.training"))?;
        let all = own.clone().over(&check_training(sweep.training.clone())?);
        return Ok(Adapters::Trained(Box::new(TrainedVariant { own, all })));
    }
    match (entry.adapters, entry.adapter, of_all) {
        (Some(_), Some(_), _) => {
            Err(SweepError::invalid(format!("{path}.adapter"), "stands beside `adapters`; use one"))
        }
        (Some(adapters), None, _) => {
            check_tasks_of(&adapters, path, tasks)?;
            Ok(Adapters::Given(adapters))
        }
        (None, Some(pattern), _) => filled(&pattern, &format!("{path}.adapter")),
        (None, None, Some(pattern)) => filled(pattern, "variants.adapter"),
        (None, None, None) => {
            let problem = "has no adapters; give `adapters: {TASK: …}`, a pattern `adapter: …/{task}` here or for all values, or \
                 `training: {…}` for adapters that the sweep trains";
            Err(SweepError::invalid(path, problem))
        }
    }
}

/// Every task has an adapter in every variant: without it, the variants would differ in their tasks.
fn check_tasks_of(adapters: &BTreeMap<String, String>, path: &str, tasks: &[TaskFile]) -> Result<(), SweepError> {
    let names = || tasks.iter().map(|task| task.name.as_str());
    if let Some(unknown) = adapters.keys().find(|name| !names().any(|task| task == *name)) {
        let meant = nearest(unknown, names()).map(|task| format!("; is `{task}` meant?")).unwrap_or_default();
        let problem = format!("is about a task that is not listed{meant}");
        return Err(SweepError::invalid(format!("{path}.adapters.{unknown}"), problem));
    }
    match names().find(|task| !adapters.contains_key(*task)) {
        Some(task) => {
            let problem = format!("has no adapter of `{task}`; a variant has one of every task");
            Err(SweepError::invalid(format!("{path}.adapters"), problem))
        }
        None => Ok(()),
    }
}

/// A pattern without `{task}` would name one adapter for all tasks. One without `{value}` names the same adapters for all
/// values, which is found later.
fn check_pattern(pattern: &str, path: &str, tasks: usize) -> Result<(), SweepError> {
    if tasks > 1 && !pattern.contains("{task}") {
        let problem = "has no `{task}`, and would name one adapter for all tasks";
        return Err(SweepError::invalid(path, problem));
    }
    let rest = pattern.replace("{task}", "").replace("{value}", "");
    if rest.contains(['{', '}']) {
        let problem = format!("is `{pattern}`; braces are for `{{task}}` and `{{value}}` only");
        return Err(SweepError::invalid(path, problem));
    }
    Ok(())
}
