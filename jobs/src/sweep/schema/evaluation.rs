use super::{list, name, object, reference, words};
use crate::HITS_AT;
use serde_json::{Value, json};

/// `evaluation`.
pub(super) fn evaluation() -> Value {
    object(
        "How models are scored, and on which splits.",
        &[],
        [
            ("benchmark", words("Each task against its own classes, or all tasks jointly.", &["per_task", "joint"])),
            ("select", name("The split by which recipes are chosen; `validation` by default.")),
            ("report", name("The split that is reported once; `test` by default.")),
            ("statistics", name("The split whose first examples statistics are made of; `select` by default.")),
            (
                "precision",
                words(
                    "The number format of the model; `auto` is `bf16` on a GPU and `f32` on a processor.",
                    &["auto", "f32", "bf16", "f16"],
                ),
            ),
            ("head", reference("The class vectors of a joint benchmark; with `map`.")),
            ("map", reference("The rows of the joint head that belong to each task's labels; with `head`.")),
            ("command", argv()),
            ("files", files()),
            ("environment", environment()),
            ("pass", list("Names of variables of the worker that the command gets as well.", variable())),
            ("write", words("What the command gets a merge as; `adapter` by default.", &["adapter", "model"])),
            ("timeout", timeout()),
            ("memory", memory()),
        ],
    )
}

fn argv() -> Value {
    json!({
        "type": "array",
        "description": "A program and its arguments that evaluate the models, in place of Bowline.",
        "items": {"type": "string"},
        "minItems": 1,
    })
}

fn files() -> Value {
    let path = json!({"type": "string", "minLength": 1});
    json!({
        "description": "Files in the command's working folder: paths beside the sweep file, or references by name.",
        "anyOf": [{"type": "array", "items": path}, {"type": "object", "additionalProperties": path}],
    })
}

fn environment() -> Value {
    json!({
        "type": "object",
        "description": "Variables that the command gets.",
        "propertyNames": variable(),
        "additionalProperties": {"type": ["string", "number"]},
    })
}

fn variable() -> Value {
    json!({"type": "string", "pattern": "^(?!BOWLINE_)[A-Za-z_][A-Za-z0-9_]*$"})
}

fn timeout() -> Value {
    json!({
        "description": "How long the command may take: seconds, or a number with `s`, `m`, `h` or `d`.",
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "string", "pattern": "^\\s*[0-9.]+\\s*[smhd]\\s*$"},
        ],
    })
}

fn memory() -> Value {
    json!({
        "type": "string",
        "description": "How much memory the processes of the command may hold together, such as `8GiB`.",
        "pattern": "^\\s*[0-9.]+\\s*(KiB|MiB|GiB|TiB|MB|GB)\\s*$",
    })
}

/// `metric`.
pub(super) fn metric() -> Value {
    let name = metric_name(
        "The number that searches compare: a mean over tasks, the worst task, `joint_hits@K`, or `accuracy:TASK`.",
    );
    let goal = words("Which way is better; `maximize` by default.", &["maximize", "minimize"]);
    object("What searches compare.", &[], [("name", name), ("goal", goal)])
}

/// `goals`.
pub(super) fn goals() -> Value {
    json!({
        "description": "The metrics of which searches seek the best trade-offs. The first one chooses the recipe.",
        "type": "array",
        "items": metric_name("A metric."),
        "minItems": 2,
        "maxItems": 3,
        "uniqueItems": true,
    })
}

fn metric_name(description: &str) -> Value {
    let mut names: Vec<String> =
        ["mean_normalised_accuracy", "mean_accuracy", "worst_normalised_accuracy", "worst_accuracy"]
            .map(String::from)
            .into();
    names.extend(HITS_AT.iter().map(|k| format!("joint_hits@{k}")));
    json!({"description": description, "anyOf": [{"enum": names}, {"type": "string", "pattern": "^accuracy:."}]})
}
