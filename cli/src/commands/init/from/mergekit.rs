//! Configurations of mergekit (0.1): its methods as `docs/methods.md` compares them with ours.

mod method;
mod models;

use super::{
    Merge, Refused, Remarks,
    values::{names, number, shown},
};
use method::Method;
use models::Models;
use serde_json::{Map, Value};

/// Keys without an effect on an adapter.
const OF_THE_FILE: [&str; 6] = ["dtype", "out_dtype", "tokenizer_source", "tokenizer", "chat_template", "name"];

/// Keys that are read.
const KNOWN: [&str; 5] = ["merge_method", "base_model", "models", "slices", "parameters"];

pub(super) fn translate(keys: &Map<String, Value>) -> Result<Merge, Refused> {
    let mut remarks = Remarks::default();
    let word = keys.get("merge_method").and_then(Value::as_str).ok_or("has a `merge_method` that is no text")?;
    let method = Method::named(word)?;
    if keys.contains_key("modules") {
        return Err("merges parts of a model apart (`modules`), and an adapter is merged as a whole".to_owned());
    }
    let models = Models::read(keys, &mut remarks)?;
    method.check_count(models.list.len())?;
    for key in keys.keys().map(String::as_str) {
        if OF_THE_FILE.contains(&key) {
            remarks.left_out.push(format!("`{key}`, which is about the files of a whole model"));
        } else if !KNOWN.contains(&key) {
            remarks.left_out.push(format!("`{key}`, which is not known"));
        }
    }
    let global = keys.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut settings = Settings { global, models: &models, used: Vec::new(), remarks };
    let recipe = method.recipe(&mut settings)?;
    let weights = if method.has_weights() { settings.weights() } else { Vec::new() };
    let remarks = settings.finish(word);
    let Models { base, list } = models;
    Ok(Merge {
        tool: "mergekit",
        base,
        adapters: list.into_iter().map(|listed| listed.model).collect(),
        recipe,
        weights,
        remarks,
    })
}

/// The parameters of a configuration, as a method reads them.
struct Settings<'a> {
    global: Map<String, Value>,
    models: &'a Models,
    /// The names that were read.
    used: Vec<String>,
    remarks: Remarks,
}

impl Settings<'_> {
    /// A number for the whole merge: that of the models if all have the same, or of the file.
    fn number(&mut self, name: &str) -> Option<f64> {
        self.used.push(name.to_owned());
        let of_models: Vec<f64> = (0..self.models.list.len()).filter_map(|model| self.of_model(name, model)).collect();
        let first = of_models.first().copied();
        let is_same = of_models.iter().all(|value| Some(value.to_bits()) == first.map(f64::to_bits));
        if !is_same {
            let values: Vec<String> = of_models.iter().map(ToString::to_string).collect();
            self.remarks.left_out.push(format!(
                "`{name}` of each model ({}): a recipe has one for all tasks, and {} is taken",
                values.join(", "),
                first.unwrap_or_default()
            ));
        }
        first.or_else(|| {
            let value = self.global.get(name)?.clone();
            self.one(name, &value)
        })
    }

    fn boolean(&mut self, name: &str) -> Option<bool> {
        self.used.push(name.to_owned());
        let value = self.global.get(name)?;
        let boolean = super::values::boolean(value);
        if boolean.is_none() {
            self.remarks.left_out.push(format!("`{name}: {}`, which is neither true nor false", shown(value)));
        }
        boolean
    }

    /// The weights of the models, in their order; empty where all are 1.
    fn weights(&mut self) -> Vec<f64> {
        self.used.push("weight".to_owned());
        let global = self.global.get("weight").cloned().and_then(|value| self.one("weight", &value));
        let mut weights = Vec::with_capacity(self.models.list.len());
        for model in 0..self.models.list.len() {
            let own = self.of_model("weight", model).or(global);
            if own.is_none() {
                let task = &self.models.list[model].model.task;
                self.remarks.differences.push(format!("the file says no `weight` of `{task}`, and 1 is taken"));
            }
            weights.push(own.unwrap_or(1.0));
        }
        if weights.iter().all(|weight| weight.to_bits() == 1f64.to_bits()) { Vec::new() } else { weights }
    }

    /// The number that a model has of its own. One that is no single number is left out, once for each model.
    fn of_model(&mut self, name: &str, model: usize) -> Option<f64> {
        let value = self.models.list[model].parameters.get(name)?.clone();
        self.one(&format!("{name}` of `{}", self.models.list[model].model.task), &value)
    }

    /// A setting as one number: a plain one, or that of all other tensors in a list of filters.
    fn one(&mut self, name: &str, value: &Value) -> Option<f64> {
        if let Some(number) = number(value) {
            return Some(number);
        }
        let usual = value.as_array().and_then(|items| {
            let is_usual = |item: &&Value| {
                let filter = item.get("filter");
                item.get("value").is_some() && filter.is_none_or(|filter| filter == "*")
            };
            number(items.iter().find(is_usual)?.get("value")?)
        });
        match usual {
            Some(number) => {
                let what = format!("`{name}` for single tensors ({}): {number} is taken for all of them", shown(value));
                self.note_once(what);
                Some(number)
            }
            None => {
                self.note_once(format!("`{name}` ({}), which differs by layer or tensor", shown(value)));
                None
            }
        }
    }

    fn note_once(&mut self, what: String) {
        if !self.remarks.left_out.contains(&what) {
            self.remarks.left_out.push(what);
        }
    }

    /// The remarks, with the parameters that nothing has read.
    fn finish(mut self, method: &str) -> Remarks {
        let of_models = self.models.list.iter().flat_map(|listed| listed.parameters.keys());
        let mut unread: Vec<&String> = self.global.keys().chain(of_models).collect();
        unread.retain(|name| !self.used.contains(name) && *name != "int8_mask");
        unread.sort_unstable();
        unread.dedup();
        if !unread.is_empty() {
            let unread = names(unread.into_iter().map(String::as_str));
            self.remarks.left_out.push(format!("{unread}, which `{method}` has no counterpart for here"));
        }
        self.remarks
    }
}

#[cfg(test)]
mod tests;
