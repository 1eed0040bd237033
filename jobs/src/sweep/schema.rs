//! JSON schemas of the files that people write, for completion and checks in editors.
//!
//! A schema accepts every file that [`Sweep::from_yaml`](super::Sweep::from_yaml) accepts, and refuses unknown keys, values of the
//! wrong type, unknown words and numbers out of range. What depends on several keys is checked when the file is read.

mod evaluation;
mod recipe;
mod search;
mod task;
#[cfg(test)]
mod tests;
mod training;

use serde_json::{Map, Value, json};

/// The dialect that the schemas are written in.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON schema of a sweep file.
pub fn sweep_schema() -> Value {
    let mut schema = object(
        "A Bowline sweep file: a base model, adapters with their tasks, an evaluation, and searches over merges.",
        &["name", "base", "tasks"],
        [
            ("name", name("The sweep's name, and its folder in the store.")),
            ("base", reference("The base model: a folder, `hf://owner/name@revision`, or `s3://bucket/key`.")),
            ("tasks", list("The tasks in merge order: an adapter, its data and its head each.", task::task())),
            ("evaluation", evaluation::evaluation()),
            ("method", words("How searches go through their parameters.", &search::METHODS)),
            ("trials", count("How many points `method: random`, `tpe` or `cma_es` takes for each search.", 1)),
            ("seed", count("The seed of the draws of `method: random`, `tpe` and `cma_es`.", 0)),
            ("metric", evaluation::metric()),
            ("goals", evaluation::goals()),
            ("recipe", referring("recipe")),
            ("parameters", referring("parameters")),
            ("replicates", referring("replicates")),
            ("searches", list("Searches side by side, in place of `recipe` and `parameters`.", search::search())),
            ("baselines", list("Fixed recipes and ensembles beside the searches.", search::baseline())),
            ("learned", list("Merges whose coefficients are learned on a split of their own.", search::learned())),
            ("reference", search::published()),
            ("subsets", search::subsets()),
            ("racing", search::racing()),
            ("training", referring("training")),
            ("variants", task::variants()),
        ],
    );
    let definitions = [
        ("recipe", recipe::recipe([])),
        ("parameters", search::parameters()),
        ("replicates", search::replicates()),
        ("training", training::training()),
    ];
    insert(&mut schema, "$schema", json!(DIALECT));
    insert(&mut schema, "$defs", map(definitions));
    schema
}

/// The JSON schema of a recipe file, as `bowline merge --recipe` reads it.
pub fn recipe_schema() -> Value {
    json!({
        "$schema": DIALECT,
        "description": "A Bowline recipe: a preset and the values that differ from it.",
        "anyOf": [
            referring("recipe"),
            object("A recipe below the key `recipe`, as in a sweep file.", &["recipe"], [("recipe", referring("recipe"))]),
        ],
        "$defs": map([("recipe", recipe::recipe([]))]),
    })
}

/// A map of these keys and no others.
fn object<const N: usize>(description: &str, required: &[&str], keys: [(&str, Value); N]) -> Value {
    json!({
        "type": "object",
        "description": description,
        "properties": map(keys),
        "required": required,
        "additionalProperties": false,
    })
}

fn list(description: &str, items: Value) -> Value {
    json!({"type": "array", "description": description, "items": items})
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

/// A name of a sweep, a task or a split; see [`is_name`](super::is_name).
fn name(description: &str) -> Value {
    json!({"type": "string", "description": description, "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$"})
}

fn reference(description: &str) -> Value {
    json!({"type": "string", "description": description, "minLength": 1})
}

fn words(description: &str, words: &[&str]) -> Value {
    json!({"type": "string", "description": description, "enum": words})
}

fn count(description: &str, minimum: u64) -> Value {
    json!({"type": "integer", "description": description, "minimum": minimum})
}

/// A definition of the same schema.
fn referring(definition: &str) -> Value {
    json!({"$ref": format!("#/$defs/{definition}")})
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(key.to_owned(), value);
    }
}
