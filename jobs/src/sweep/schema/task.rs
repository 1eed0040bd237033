use super::{count, list, map, name, object, reference, referring, text, words};
use serde_json::{Value, json};

/// An entry of `tasks`.
pub(super) fn task() -> Value {
    let head = reference("A safetensors file with `weight` [classes, features]; for texts also `adapter`.");
    let template = json!({"type": "string", "pattern": "\\{\\}"});
    object(
        "A task: an adapter, its data, and its head. Only a command evaluates tasks without data.",
        &["name"],
        [
            ("name", name("The task's name, unique in the sweep.")),
            ("adapter", adapter()),
            ("data", data()),
            ("head", head),
            ("classes", list("Class names in label order; with `templates`.", json!({"type": "string"}))),
            ("templates", list("Prompts in which `{}` stands for the class name; with `classes`.", template)),
            ("finetuned", finetuned()),
        ],
    )
}

fn adapter() -> Value {
    let trained = object(
        "An adapter that is trained: what differs from `training`.",
        &["train"],
        [("train", referring("training"))],
    );
    json!({"anyOf": [reference("The PEFT LoRA folder that was trained for the task."), trained]})
}

/// `variants`: sets of adapters, each of which makes a sweep.
pub(super) fn variants() -> Value {
    let value = json!({"type": ["string", "number"]});
    let adapters = json!({
        "type": "object",
        "description": "The adapters by task.",
        "additionalProperties": {"type": "string", "minLength": 1},
    });
    let entry = object(
        "A set of adapters.",
        &["value"],
        [
            ("value", value.clone()),
            ("adapter", reference("A pattern of the adapters, with `{task}`.")),
            ("adapters", adapters),
            ("training", super::referring("training")),
        ],
    );
    object(
        "Sets of adapters, each of which is searched and reported by itself.",
        &["key", "values"],
        [
            ("key", name("What the sets differ in.")),
            ("adapter", reference("A pattern of the adapters of all sets, with `{value}` and `{task}`.")),
            ("values", list("The sets.", json!({"anyOf": [value, entry]}))),
        ],
    )
}

fn finetuned() -> Value {
    json!({
        "type": "object",
        "description": "Accuracies of the adapter alone, by split: given, so they are not measured.",
        "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    })
}

fn data() -> Value {
    let mut of_keys = object(
        "A data set with its columns and splits.",
        &["source"],
        [
            ("source", reference("A folder or data set repository with parquet, JSON lines, images or IDX files.")),
            ("image_column", text("The parquet column of the images; `image` by default.")),
            ("label_column", text("The parquet column of the labels; `label` by default.")),
            ("convention", text("A published data set of texts, whose name stands for the keys below.")),
            ("text_columns", list("The columns of the text, or of the two texts.", json!({"type": "string"}))),
            ("labels", labels()),
            ("drop_labels", list("Raw labels whose rows are left out.", json!({"type": ["string", "integer"]}))),
            ("mask_classes", list("Classes that are never predicted.", count("The row of the head.", 0))),
            ("max_length", count("The number of tokens after which a text is cut.", 1)),
            ("splits", json!({"type": "object", "additionalProperties": split()})),
        ],
    );
    super::insert(&mut of_keys["properties"]["splits"], "description", json!("Rules for splits, by split."));
    json!({"description": "A data set: a reference, or a map.", "anyOf": [{"type": "string", "minLength": 1}, of_keys]})
}

fn labels() -> Value {
    json!({
        "type": "object",
        "description": "The class of each raw label.",
        "additionalProperties": {"type": "integer", "minimum": 0},
    })
}

fn split() -> Value {
    let share = json!({
        "description": "The rows [start, end) of the order, as shares of their number.",
        "type": "array",
        "items": {"type": "number", "minimum": 0, "maximum": 1},
        "minItems": 2,
        "maxItems": 2,
    });
    json!({
        "type": "object",
        "properties": map([
            ("from", text("The split of the data set that the rows are taken from.")),
            ("share", share),
            ("shuffle_seed", count("Shuffles the rows before the share is cut.", 0)),
            ("shuffle_like", words("Whose shuffle it is.", &["datasets"])),
            ("indices", reference("A JSON file with a list of row numbers.")),
        ]),
        "additionalProperties": false,
    })
}
