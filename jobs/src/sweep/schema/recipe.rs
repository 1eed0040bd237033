use crate::recipe::{BelongsTo, KeyKind, Preset, RecipeKey};
use serde_json::{Map, Value, json};
use std::ops::Bound;

/// A recipe, with `others` beside its own keys.
pub(super) fn recipe<const N: usize>(others: [(&str, Value); N]) -> Value {
    let keys = RecipeKey::ALL.iter().map(|key| (key.name().to_owned(), value(key)));
    let others = others.into_iter().map(|(key, value)| (key.to_owned(), value));
    json!({
        "type": "object",
        "description": "A merge: a preset and the values that differ from it.",
        "properties": others.chain(keys).collect::<Map<_, _>>(),
        "additionalProperties": false,
    })
}

/// What a key may hold.
fn value(key: &RecipeKey) -> Value {
    let mut schema = match key.kind() {
        KeyKind::Word => json!({"type": "string", "enum": words(key)}),
        KeyKind::Number => number(key),
        KeyKind::Seed => json!({"type": "integer", "minimum": 0}),
        KeyKind::PerTask => json!({"type": "object", "additionalProperties": number(key)}),
        KeyKind::PerLayer => {
            let number = number(key);
            let directions = json!({"type": "array", "items": number, "minItems": 1});
            let part = json!({"anyOf": [number, directions]});
            json!({"type": "object", "additionalProperties": {"type": "object", "additionalProperties": part}})
        }
    };
    super::insert(&mut schema, "description", json!(description(key)));
    schema
}

/// The words of a key. Old names of presets are words as well.
fn words(key: &RecipeKey) -> Vec<&'static str> {
    let mut words = key.words();
    if key.name() == "preset" {
        words.extend(Preset::old_names());
    }
    words
}

fn number(key: &RecipeKey) -> Value {
    let Some(range) = key.range() else { return json!({"type": "number"}) };
    let mut schema = json!({"type": if range.is_whole() { "integer" } else { "number" }});
    let ends = [("minimum", "exclusiveMinimum", range.low()), ("maximum", "exclusiveMaximum", range.high())];
    for (included, excluded, end) in ends {
        match end {
            Bound::Included(end) => super::insert(&mut schema, included, json!(end)),
            Bound::Excluded(end) => super::insert(&mut schema, excluded, json!(end)),
            Bound::Unbounded => {}
        }
    }
    schema
}

/// What a key takes, and in which recipes it has a meaning.
fn description(key: &RecipeKey) -> String {
    let what = match key.kind() {
        KeyKind::Word => "One of the words.".to_owned(),
        KeyKind::Number => format!("{}.", capitalised(key.range().map_or("number", |range| range.in_words()))),
        KeyKind::Seed => "The seed of what is drawn.".to_owned(),
        KeyKind::PerTask => "Factors on single tasks' updates, by task.".to_owned(),
        KeyKind::PerLayer => "Factors on parts of single tasks' updates, by task, then by layer or module.".to_owned(),
    };
    let only = match key.belongs_to() {
        BelongsTo::Every => String::new(),
        BelongsTo::Space(word) => format!(" Only with `space: {word}`."),
        BelongsTo::Combine(word) => format!(" Only with `combine: {word}`."),
        BelongsTo::Inputs => " Only with `gram: inputs` or `merged_inputs`.".to_owned(),
        BelongsTo::Statistics => " Only with `gram: inputs`, `merged_inputs` or `combine: fisher`.".to_owned(),
    };
    let hint = key.hint().map(|hint| format!(" {}.", capitalised(hint))).unwrap_or_default();
    format!("{what}{only}{hint}")
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}", letters.as_str())
}
