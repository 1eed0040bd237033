//! Files of other tools: what of them can be said in a recipe or a search, and what cannot.

mod mergekit;
mod peft;
mod python;
mod values;
mod wandb;

use crate::failure::{Failure, FileFailure, InitFailure};
use serde_json::{Map, Value};
use std::{fs, path::Path};

pub(super) use wandb::Search;

/// A file of another tool in the words of this one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Translated {
    Merge(Merge),
    Search(Search),
}

/// A merge that another tool describes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Merge {
    /// The tool.
    pub(super) tool: &'static str,
    /// The base, if the file names one.
    pub(super) base: Option<String>,
    /// The adapters, if the file names them, in its order.
    pub(super) adapters: Vec<Model>,
    /// The keys of the recipe, except weights.
    pub(super) recipe: Map<String, Value>,
    /// The weights of the adapters in the same order; none where all are 1.
    pub(super) weights: Vec<f64>,
    pub(super) remarks: Remarks,
}

/// An adapter that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// A name for its task.
    pub(super) task: String,
    /// Where it lies, if the file says so.
    pub(super) place: Option<String>,
}

/// What a person has to know of a translation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Remarks {
    /// How the translation differs from the original.
    pub(super) differences: Vec<String>,
    /// What is not translated, each with its key.
    pub(super) left_out: Vec<String>,
}

impl Remarks {
    /// All of them, as sentences.
    pub(super) fn all(&self) -> Vec<String> {
        let left_out = self.left_out.iter().map(|what| format!("not translated: {what}"));
        self.differences.iter().cloned().chain(left_out).collect()
    }
}

/// Why a file is not translated at all: the rest of a sentence that begins with its name.
type Refused = String;

/// Reads and translates a file of mergekit, PEFT or W&B.
pub(super) fn translate(path: &Path) -> Result<Translated, Failure> {
    let text = fs::read_to_string(path).map_err(|source| {
        Failure::File(FileFailure::Read { what: "file to translate", path: path.to_owned(), source })
    })?;
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()).unwrap_or_default();
    let translated = if extension == "py" { peft::of_python(&text).map(Translated::Merge) } else { of_document(&text) };
    translated.map_err(|problem| InitFailure::From { path: path.to_owned(), problem }.into())
}

fn of_document(text: &str) -> Result<Translated, Refused> {
    // JSON is YAML.
    let document = jobs::yaml_value(text).map_err(|problem| format!("is neither YAML nor JSON: {problem}"))?;
    let Value::Object(keys) = document else {
        return Err("is no map of keys".to_owned());
    };
    if keys.contains_key("merge_method") {
        return mergekit::translate(&keys).map(Translated::Merge);
    }
    if keys.contains_key("combination_type") || keys.contains_key("adapters") {
        return peft::translate(&keys).map(Translated::Merge);
    }
    if keys.contains_key("parameters") && keys.contains_key("method") {
        return wandb::translate(&keys).map(Translated::Search);
    }
    Err("is no file that `init` translates: a configuration of mergekit has `merge_method`, the arguments of PEFT's \
         `add_weighted_adapter` have `adapters` and `combination_type`, and a sweep of W&B has `method` and `parameters`"
        .to_owned())
}

/// A name for the task of an adapter, by its place.
fn task_name(place: &str, taken: &[Model]) -> String {
    let last = place.trim_end_matches('/').rsplit('/').next().unwrap_or(place);
    let last = last.split('@').next().unwrap_or(last);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = last.chars().map(plain).take(80).collect();
    let name = name.trim_start_matches(['.', '-']);
    let name = if name.is_empty() { "adapter" } else { name };
    let is_taken = |name: &str| taken.iter().any(|model| model.task == name);
    if !is_taken(name) {
        return name.to_owned();
    }
    (2..).map(|number| format!("{name}-{number}")).find(|name| !is_taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_named_by_the_last_part_of_a_place_and_never_twice() {
        let first = Model { task: task_name("owner/lora-math@main", &[]), place: None };
        assert_eq!(first.task, "lora-math");
        assert_eq!(task_name("./other/lora-math/", &[first]), "lora-math-2");
        assert_eq!(task_name("../ä", &[]), "adapter");
    }

    #[test]
    fn a_file_of_no_known_tool_is_refused_with_what_is_known() {
        let refused = of_document("name: x\nbase: y\n").unwrap_err();
        assert!(
            refused.contains("merge_method") && refused.contains("add_weighted_adapter") && refused.contains("W&B")
        );
        assert!(of_document("[1, 2]").unwrap_err().contains("no map"));
        assert!(of_document("a: [").unwrap_err().contains("neither YAML nor JSON"));
    }
}
