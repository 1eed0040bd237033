use super::{count, list, name, object, text, words};
use serde_json::{Value, json};

/// `training`, and `adapter: {train: …}` of a task.
pub(super) fn training() -> Value {
    let share = |description: &str| json!({"type": "number", "description": description, "minimum": 0, "maximum": 1});
    let positive = |description: &str| json!({"type": "number", "description": description, "exclusiveMinimum": 0});
    let or_null = |mut schema: Value, kind: &str| {
        super::insert(&mut schema, "type", json!([kind, "null"]));
        schema
    };
    let truth = |description: &str| json!({"type": "boolean", "description": description});
    let betas = json!({
        "description": "The decay rates of both moments.",
        "type": "array",
        "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
        "minItems": 2,
        "maxItems": 2,
    });
    let targets = json!({
        "description": "The linear layers that are adapted: a group, or names.",
        "anyOf": [{"enum": ["attention", "mlp", "all-linear"]}, list("Names of modules.", json!({"type": "string"}))],
    });
    let augmentation = json!({
        "description": "Random changes of images: a word, or a list of `shift`, `flip`, `random_resized_crop`.",
        "anyOf": [{"type": "string"}, list("Words.", json!({"type": "string"}))],
    });
    let mut schema = object(
        "How adapters are trained.",
        &[],
        [
            ("rank", count("The rank of the adapters.", 1)),
            ("alpha", positive("The update is scaled by alpha / rank.")),
            ("rslora", truth("Scales by alpha / sqrt(rank) instead.")),
            ("dropout", share("The dropout rate of the inputs of the adapters.")),
            ("targets", targets),
            ("rate", positive("The learning rate.")),
            ("betas", betas),
            ("eps", positive("Added to the root of the second moment.")),
            ("weight_decay", json!({"type": "number", "description": "Decoupled weight decay.", "minimum": 0})),
            ("schedule", words("How the rate falls.", &["cosine", "linear", "constant"])),
            ("warmup", share("The share of the steps in which the rate rises.")),
            ("warmup_steps", count("The number of steps in which the rate rises.", 0)),
            ("batch", count("The number of examples of a batch.", 1)),
            ("accumulation", count("The number of batches of a step.", 1)),
            ("micro_batch", or_null(count("How many examples are computed at a time.", 1), "integer")),
            ("steps", count("The number of steps.", 1)),
            ("epochs", positive("The number of passes over the examples.")),
            ("clip", or_null(positive("The largest norm of the gradient."), "number")),
            ("label_smoothing", share("The share of the target that all classes have in common.")),
            ("train_head", truth("Trains the head as well.")),
            ("seed", count("The seed of the first factors, of the order, and of dropout.", 0)),
            ("split", name("The split that is trained on; `train` by default.")),
            ("overlap", words("What becomes of examples of the splits that are evaluated.", &["refuse", "allow"])),
            ("optimizer", text("`adamw`.")),
            ("precision", text("`f32`.")),
            ("checkpoint_steps", count("The number of steps after which a job of a sweep stores a checkpoint.", 1)),
            ("augmentation", augmentation),
            ("early_stopping", or_null(early_stopping(), "object")),
            ("class_balanced", truth("Draws as many examples of each class as of the others.")),
        ],
    );
    super::insert(&mut schema, "type", json!(["object", "null"]));
    schema
}

/// `early_stopping` of a training.
fn early_stopping() -> Value {
    let min_delta = json!({"type": "number", "description": "By how much the metric must exceed the best value; of accuracies a share.", "minimum": 0});
    object(
        "Ends a training that no longer gets better on the selection split, and keeps the best step.",
        &["every", "patience"],
        [
            ("every", count("The number of steps between two evaluations.", 1)),
            ("patience", count("The number of evaluations in a row that may fail to be better.", 1)),
            ("metric", words("What is compared; `accuracy` by default.", &["accuracy", "loss"])),
            ("min_delta", min_delta),
        ],
    )
}
