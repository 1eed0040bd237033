//! The fixed recipes and the ensembles.

use super::{recipe::resolved, replicates::check_replicates};
use crate::{Baseline, Benchmark, Ensemble, EnsembleRule, RecipeSpec, SweepError, Task, sweep::read::typed};
use serde_json::{Map, Value};

/// The baselines that are recipes, and those that are ensembles.
pub(super) fn check_baselines(
    files: Vec<Map<String, Value>>,
    tasks: &[Task],
    benchmark: &Benchmark,
) -> Result<(Vec<Baseline>, Vec<Ensemble>), SweepError> {
    let mut baselines = Vec::new();
    let mut ensembles = Vec::new();
    for (i, mut file) in files.into_iter().enumerate() {
        let path = format!("baselines[{i}]");
        let name = match file.remove("name") {
            Some(Value::String(name)) => Some(name),
            None => None,
            Some(_) => return Err(SweepError::invalid(format!("{path}.name"), "is not a text")),
        };
        if let Some(rule) = file.remove("ensemble") {
            ensembles.push(check_ensemble(&path, name, rule, &file, benchmark)?);
            continue;
        }
        let replicates = file.remove("replicates");
        let recipe: RecipeSpec = typed(Value::Object(file), &path)?;
        resolved(&recipe, path.clone(), tasks)?;
        let replicates = check_replicates(&format!("{path}.replicates"), replicates, &recipe, &[])?;
        let name = name.or_else(|| recipe.preset.clone()).unwrap_or_else(|| format!("baseline {}", i + 1));
        baselines.push(Baseline { name, recipe, replicates });
    }
    Ok((baselines, ensembles))
}

/// The name of an ensemble that has none.
pub(super) const ENSEMBLE: &str = "ensemble";

fn check_ensemble(
    path: &str,
    name: Option<String>,
    rule: Value,
    others: &Map<String, Value>,
    benchmark: &Benchmark,
) -> Result<Ensemble, SweepError> {
    let at = format!("{path}.ensemble");
    let rule: EnsembleRule = typed(rule, &at)?;
    if let Some(key) = others.keys().next() {
        let problem = "has no effect beside `ensemble`, which merges nothing";
        return Err(SweepError::invalid(format!("{path}.{key}"), problem));
    }
    if !benchmark.is_joint() {
        let problem = "asks every adapter about the examples of all tasks, and needs `benchmark: joint`: with a head for each task, \
                       the adapter of that task alone is the ensemble";
        return Err(SweepError::invalid(at, problem));
    }
    Ok(Ensemble { name: name.unwrap_or_else(|| ENSEMBLE.to_owned()), rule })
}
