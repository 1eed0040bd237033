//! Sweeps of Weights & Biases: their parameters as ours, where a recipe has such a key.

mod parameter;

use super::{
    Refused, Remarks,
    values::{names, number, shown},
};
use parameter::Range;
use serde_json::{Map, Value};

/// Points of a search where W&B would go on until somebody stops it.
const USUAL_TRIALS: u64 = 50;

/// A search in the words of a sweep file.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::commands::init) struct Search {
    /// Our `method`.
    pub(in crate::commands::init) method: &'static str,
    pub(in crate::commands::init) trials: Option<u64>,
    /// Our `metric`.
    pub(in crate::commands::init) metric: &'static str,
    pub(in crate::commands::init) recipe: Map<String, Value>,
    pub(in crate::commands::init) parameters: Map<String, Value>,
    pub(in crate::commands::init) remarks: Remarks,
}

/// Top-level keys that a sweep of ours has no use for, with the reason.
const OTHERS: [(&str, &str); 12] = [
    ("program", "the merges are made and evaluated here, and no script is called"),
    ("command", "no script is called"),
    ("early_terminate", "`racing` compares points on a part of the examples instead (docs/sweep-file.md, Racing)"),
    ("project", "results go to the store"),
    ("entity", "results go to the store"),
    ("name", "the sweep is named by `--name`"),
    ("description", "a comment says as much"),
    ("controller", "there is nothing to choose"),
    ("job", "no script is called"),
    ("imageuri", "no script is called"),
    ("scheduler", "workers take jobs from a queue"),
    ("$schema", "the first line of the draft names ours"),
];

pub(super) fn translate(keys: &Map<String, Value>) -> Result<Search, Refused> {
    let mut remarks = Remarks::default();
    for key in keys.keys().map(String::as_str) {
        match OTHERS.iter().find(|(known, _)| *known == key) {
            Some((_, why)) => remarks.left_out.push(format!("`{key}`: {why}")),
            None if ["method", "metric", "parameters", "run_cap"].contains(&key) => {}
            None => remarks.left_out.push(format!("`{key}`, which is not known")),
        }
    }
    let method = match keys.get("method").and_then(Value::as_str) {
        Some("grid") => "grid",
        Some("random") => "random",
        Some("bayes") => {
            remarks
                .differences
                .push("`method: bayes` becomes `tpe`, another model of which points are good".to_owned());
            "tpe"
        }
        Some(other) => return Err(format!("has `method: {other}`; W&B has `grid`, `random` and `bayes`")),
        None => return Err("has a `method` that is no text".to_owned()),
    };
    let trials = trials(keys, method, &mut remarks);
    let metric = metric(keys.get("metric"), &mut remarks);
    let foreign = keys.get("parameters").and_then(Value::as_object).ok_or("has `parameters` that are no map")?;
    let mut search = Search { method, trials, metric, recipe: Map::new(), parameters: Map::new(), remarks };
    for (name, setting) in foreign {
        search.add(name, setting);
    }
    if search.parameters.is_empty() {
        let known = names(parameter::KNOWN);
        return Err(format!("has no parameter that a recipe has; known are the keys of recipes and {known}"));
    }
    search.add_preset();
    Ok(search)
}

fn trials(keys: &Map<String, Value>, method: &str, remarks: &mut Remarks) -> Option<u64> {
    let cap = keys.get("run_cap").and_then(Value::as_u64);
    if method == "grid" {
        if let Some(cap) = cap {
            remarks.left_out.push(format!("`run_cap: {cap}`: a grid has all its points"));
        }
        return None;
    }
    if cap.is_none() {
        remarks.differences.push(format!("W&B goes on until it is stopped; here `trials` is {USUAL_TRIALS}"));
    }
    Some(cap.unwrap_or(USUAL_TRIALS))
}

/// Our metric for W&B's, which a script of the user computes.
fn metric(setting: Option<&Value>, remarks: &mut Remarks) -> &'static str {
    let Some(setting) = setting else { return "mean_normalised_accuracy" };
    let name = setting.get("name").and_then(Value::as_str).unwrap_or_default();
    let goal = setting.get("goal").and_then(Value::as_str).unwrap_or("minimize");
    let is_accuracy = name.to_lowercase().contains("acc");
    if is_accuracy && goal == "maximize" {
        remarks.differences.push(format!("`metric: {name}` becomes `mean_accuracy`, the mean over the tasks"));
        return "mean_accuracy";
    }
    remarks.left_out.push(format!(
        "`metric` (`{name}`, {goal}): accuracies are computed here, and `mean_normalised_accuracy` is maximised"
    ));
    "mean_normalised_accuracy"
}

impl Search {
    /// Adds a parameter, or says why not.
    fn add(&mut self, name: &str, setting: &Value) {
        let Some(key) = parameter::key_of(name) else {
            let what =
                if setting.get("parameters").is_some() { "a group of parameters" } else { "which no recipe has" };
            self.remarks.left_out.push(format!("`parameters.{name}`, {what}"));
            return;
        };
        if key != name {
            self.remarks.differences.push(format!("`{name}` is called `{key}` here"));
        }
        match Range::of(setting) {
            Ok(Range::Constant(value)) => drop(self.recipe.insert(key, value)),
            Ok(Range::Values(values)) => drop(self.parameters.insert(key, values.into())),
            Ok(Range::Whole(_)) if self.method == "grid" => self.remarks.left_out.push(format!(
                "`parameters.{name}: {}`: a grid needs single values; list them, or give a `q`",
                shown(setting)
            )),
            Ok(Range::Whole(range)) => drop(self.parameters.insert(key, range)),
            Err(why) => self.remarks.left_out.push(format!("`parameters.{name}: {}`, {why}", shown(setting))),
        }
    }

    /// A preset that reads the parameters, where the file names none.
    fn add_preset(&mut self) {
        let has = |key: &str| self.parameters.contains_key(key) || self.recipe.contains_key(key);
        if has("preset") {
            return;
        }
        let preset = match (has("drop_rate"), has("density")) {
            (true, _) => "knots_dare_ties",
            (false, true) => "knots_ties",
            (false, false) => "task_arithmetic",
        };
        self.remarks.differences.push(format!(
            "the file does not say how adapters are merged: `preset: {preset}` is taken, which has these parameters"
        ));
        let mut recipe = Map::new();
        recipe.insert("preset".to_owned(), preset.into());
        recipe.append(&mut self.recipe);
        self.recipe = recipe;
    }
}

/// A number that is finite.
fn finite(setting: &Value, key: &str) -> Option<f64> {
    setting.get(key).and_then(number)
}

#[cfg(test)]
mod tests;
