//! Small sweeps over the examples, and their outcomes.

use super::bench::CaseFolder;
use crate::Failure;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// A sweep over two small image tasks with `points` points.
pub(super) fn images(case: &CaseFolder<'_>, name: &str, points: u32) -> Result<PathBuf, Failure> {
    let mini8 = case.example("mini8");
    let mini8 = mini8.display();
    let step = 1.0 / f64::from(points);
    let yaml = format!(
        r"
name: {name}
base: {mini8}/base
tasks:
  - {{name: optdigits, adapter: {mini8}/adapters/optdigits, data: {mini8}/data/optdigits, head: {mini8}/heads/optdigits.safetensors}}
  - {{name: flags, adapter: {mini8}/adapters/flags, data: {mini8}/data/flags, head: {mini8}/heads/flags.safetensors}}
evaluation: {{benchmark: per_task, select: validation, report: test}}
method: grid
metric: {{name: mean_accuracy, goal: maximize}}
recipe: {{preset: knots_ties, density: 0.2, scaling: 0.6}}
parameters:
  scaling: {{min: {step}, max: 1.0, step: {step}}}
"
    );
    case.write(&format!("{name}.yaml"), yaml)
}

/// A sweep over two text tasks with `points` points, over the base at `base`.
pub(super) fn texts(case: &CaseFolder<'_>, name: &str, base: &Path, points: u32) -> Result<PathBuf, Failure> {
    let nli6 = case.example("nli6");
    let nli6 = nli6.display();
    let base = base.display();
    let step = 1.0 / f64::from(points);
    let yaml = format!(
        r"
name: {name}
base: {base}
tasks:
  - {{name: rte, adapter: {nli6}/adapters/rte, data: {{source: {nli6}/data/rte, convention: rte}}}}
  - {{name: qnli, adapter: {nli6}/adapters/qnli, data: {{source: {nli6}/data/qnli, convention: qnli}}}}
evaluation: {{select: validation, report: test, precision: bf16}}
method: grid
metric: {{name: mean_accuracy, goal: maximize}}
recipe: {{preset: knots_ties, density: 0.4, scaling: 1.0}}
parameters:
  scaling: {{min: {step}, max: 1.0, step: {step}}}
"
    );
    case.write(&format!("{name}.yaml"), yaml)
}

/// A sweep of one point over one task, with these keys, over the base at `base`.
pub(super) fn one_task(case: &CaseFolder<'_>, base: &Path, keys: &str) -> Result<PathBuf, Failure> {
    let base = base.display();
    let yaml = format!(
        r"
name: one
base: {base}
tasks:
  - {{name: task, {keys}}}
evaluation: {{select: validation, report: test}}
method: grid
metric: {{name: mean_accuracy, goal: maximize}}
recipe: {{preset: task_arithmetic, scaling: 0.5}}
parameters:
  scaling: [0.5]
"
    );
    case.write("one.yaml", yaml)
}

/// The scores of all results that a store holds, by job. An object that cannot be read has none.
pub(super) fn scores(store: &Path) -> Result<BTreeMap<String, Value>, Failure> {
    let mut scores = BTreeMap::new();
    for path in result_files(store)? {
        let value: Value = serde_json::from_slice(&fs::read(&path)?).unwrap_or_default();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        scores.insert(name, value["scores"].clone());
    }
    Ok(scores)
}

/// The files of all results that a store holds, in the order of their names.
pub(super) fn result_files(store: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for folder in children(&store.join("results"))? {
        files.extend(children(&folder)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")));
    }
    files.sort_unstable();
    Ok(files)
}

/// The outcome of a sweep: the rows of its table and their jobs.
pub(super) fn outcome(store: &Path, sweep: &str) -> Result<Value, Failure> {
    let path = store.join("sweeps").join(sweep).join("outcome.json");
    let read = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut value: Value = serde_json::from_slice(&read)?;
    if let Some(object) = value.as_object_mut() {
        object.remove("revision");
    }
    Ok(value)
}

/// Removes the compacted parts of a sweep, so that single results are read.
pub(super) fn remove_parts(store: &Path, sweep: &str) -> Result<(), Failure> {
    match fs::remove_dir_all(store.join("sweeps").join(sweep).join("parts")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn children(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?),
    }
}
