use super::{count, list, map, name, object, recipe, referring, text, words};
use crate::{Racing, Replicates, Subsets, recipe::RecipeKey};
use serde_json::{Value, json};

/// The words of `method`.
pub(super) const METHODS: [&str; 7] = ["linear", "grid", "random", "bracket", "portfolio", "tpe", "cma_es"];

/// An entry of `searches`.
pub(super) fn search() -> Value {
    object(
        "A search: a recipe and the keys of it that are searched.",
        &["recipe"],
        [
            ("name", row_name()),
            ("published", published_method()),
            ("recipe", referring("recipe")),
            ("parameters", referring("parameters")),
            ("trials", count("How many points this search takes, in place of the number of the sweep.", 1)),
            ("replicates", referring("replicates")),
        ],
    )
}

/// An entry of `baselines`.
pub(super) fn baseline() -> Value {
    let ensemble = object(
        "All adapters together without a merge.",
        &["ensemble"],
        [
            ("ensemble", words("How the scores become one.", &["max"])),
            ("name", row_name()),
            ("published", published_method()),
        ],
    );
    let fixed = recipe::recipe([
        ("name", row_name()),
        ("published", published_method()),
        ("replicates", referring("replicates")),
    ]);
    json!({"anyOf": [fixed, ensemble]})
}

fn row_name() -> Value {
    text("The row's name in tables, unique in the sweep.")
}

fn published_method() -> Value {
    text("The method of the published figures that the row stands beside.")
}

/// `parameters`: the keys that are searched, in order.
pub(super) fn parameters() -> Value {
    let maps = RecipeKey::ALL.iter().filter(|key| key.is_by_task()).map(RecipeKey::name).collect::<Vec<_>>();
    let by_task = format!("^({})\\..", maps.join("|"));
    let keys = RecipeKey::ALL.iter().map(|key| (key.name().to_owned(), values()));
    json!({
        "type": "object",
        "description": "The recipe keys that are searched, in order.",
        "properties": keys.collect::<serde_json::Map<_, _>>(),
        "patternProperties": map([(by_task.as_str(), values())]),
        "additionalProperties": false,
    })
}

/// The values of a parameter.
fn values() -> Value {
    json!({"anyOf": [
        {"type": ["number", "string"], "description": "A single value."},
        {"type": "array", "minItems": 1},
        object("The values, one by one.", &["values"], [("values", json!({"type": "array", "minItems": 1}))]),
        object(
            "A range.",
            &["min", "max"],
            [
                ("min", json!({"type": "number"})),
                ("max", json!({"type": "number"})),
                ("step", json!({"type": "number", "exclusiveMinimum": 0})),
                ("log", json!({"type": "boolean", "description": "Draws evenly on a logarithmic scale."})),
            ],
        ),
    ]})
}

/// `replicates`: seeds with which a recipe is evaluated.
pub(super) fn replicates() -> Value {
    let seeds = RecipeKey::ALL.iter().filter(|key| key.kind() == crate::KeyKind::Seed);
    let number = json!({"type": "integer", "minimum": 2, "maximum": Replicates::MOST});
    json!({
        "type": "object",
        "description": "How many seeds each recipe is evaluated with, by the key of the seed.",
        "properties": seeds.map(|key| (key.name().to_owned(), number.clone())).collect::<serde_json::Map<_, _>>(),
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    })
}

/// An entry of `learned`.
pub(super) fn learned() -> Value {
    let guard = object(
        "Stops when the merge predicts less like the tasks' own models.",
        &["every", "fall"],
        [
            ("every", count("Steps between two checks.", 1)),
            ("fall", json!({"type": "number", "minimum": 0, "maximum": 1})),
        ],
    );
    object(
        "A merge whose coefficients are learned.",
        &["split"],
        [
            ("name", row_name()),
            ("split", name("The split that coefficients are tuned on; neither `select` nor `report`.")),
            ("examples", count("How many examples of each task are taken; all by default.", 1)),
            ("objective", words("What coefficients are tuned for.", &["entropy", "agreement", "labels"])),
            ("per", words("What has a coefficient of its own.", &["task", "layer", "module", "direction"])),
            ("basis", words("Whose directions have a coefficient.", &["own", "knots"])),
            ("start", json!({"type": "number", "description": "The first value of each coefficient."})),
            ("rate", json!({"type": "number", "description": "The learning rate of Adam.", "exclusiveMinimum": 0})),
            ("steps", count("The number of steps.", 1)),
            ("batch", count("The number of examples of each task in a step.", 1)),
            ("seed", count("The seed of the order of examples.", 0)),
            ("guard", guard),
        ],
    )
}

/// `subsets`.
pub(super) fn subsets() -> Value {
    let samples = json!({
        "type": "integer",
        "description": "How many subsets of each size are taken.",
        "minimum": 1,
        "maximum": Subsets::MOST_SAMPLES,
    });
    object(
        "The chosen recipes once more, for subsets of the tasks.",
        &["sizes"],
        [
            ("sizes", list("The numbers of tasks in a subset.", count("A number of tasks.", 1))),
            ("samples", samples),
            ("seed", count("Chooses the subsets.", 0)),
        ],
    )
}

/// `racing`.
pub(super) fn racing() -> Value {
    let error_rate = json!({
        "type": "number",
        "description": "The probability that a search drops a point which is better than the one that it lost to.",
        "exclusiveMinimum": 0,
        "maximum": 0.5,
    });
    let indifference = json!({
        "type": "number",
        "description": "A difference that does not matter, as a share.",
        "minimum": 0,
        "exclusiveMaximum": 1,
    });
    object(
        "Drops points of searches after a part of the examples.",
        &[],
        [
            ("error_rate", error_rate),
            ("slice", within("How many examples the first slice has.", Racing::MOST_EXAMPLES)),
            ("indifference", indifference),
            ("round", within("How many points race against the same best point.", Racing::MOST_POINTS.into())),
            ("seed", count("The seed of the order of examples.", 0)),
        ],
    )
}

/// A whole number from 1 to `most`.
fn within(description: &str, most: u64) -> Value {
    json!({"type": "integer", "description": description, "minimum": 1, "maximum": most})
}

/// `reference`.
pub(super) fn published() -> Value {
    json!({
        "description": "A file with the figures that a paper published, or the figures themselves.",
        "type": ["string", "object"],
    })
}
