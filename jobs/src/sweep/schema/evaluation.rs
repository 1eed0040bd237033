use super::{name, object, reference, words};
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
            ("precision", words("The number format of a language model.", &["f32", "bf16", "f16"])),
            ("head", reference("The class vectors of a joint benchmark; with `map`.")),
            ("map", reference("The rows of the joint head that belong to each task's labels; with `head`.")),
        ],
    )
}

/// `metric`.
pub(super) fn metric() -> Value {
    let mut names = vec!["mean_normalised_accuracy".to_owned(), "mean_accuracy".to_owned()];
    names.extend(HITS_AT.iter().map(|k| format!("joint_hits@{k}")));
    let name = json!({
        "description": "The number that searches compare: a mean over tasks, `joint_hits@K`, or `accuracy:TASK`.",
        "anyOf": [{"enum": names}, {"type": "string", "pattern": "^accuracy:."}],
    });
    let goal = words("Which way is better; `maximize` by default.", &["maximize", "minimize"]);
    object("What searches compare.", &[], [("name", name), ("goal", goal)])
}
