//! What is wrong with the form of a sweep file: keys, and the types of values. All of it at once, in the words of the file.
//!
//! The schema that editors use says what is expected. Ranges, and what depends on several keys, are checked afterwards.

use super::{
    SweepError,
    schema::{recipe_schema, sweep_schema},
    synonyms::meant,
};
use crate::nearest::nearest;
use serde_json::{Map, Value};

/// Words above which a message lists none of them.
const MOST_WORDS: usize = 8;

/// All that is wrong with the form of a sweep file.
pub(super) fn shape_errors(tree: &Value) -> Vec<SweepError> {
    let root = sweep_schema();
    let mut shape = Shape { definitions: root.get("$defs"), found: Vec::new() };
    shape.check("", tree, &root);
    shape.found
}

/// All that is wrong with the form of a recipe, whose keys stand at `recipe` in messages.
pub(super) fn recipe_shape_errors(tree: &Value) -> Vec<SweepError> {
    let root = recipe_schema();
    let mut shape = Shape { definitions: root.get("$defs"), found: Vec::new() };
    if let Some(recipe) = root.get("$defs").and_then(|definitions| definitions.get("recipe")) {
        shape.check("recipe", tree, recipe);
    }
    shape.found
}

struct Shape<'a> {
    definitions: Option<&'a Value>,
    found: Vec<SweepError>,
}

impl<'a> Shape<'a> {
    fn check(&mut self, path: &str, value: &Value, schema: &'a Value) {
        let forms = self.forms(schema);
        let mut fitting = forms.iter().copied().filter(|form| is_of_type(value, form)).collect::<Vec<_>>();
        // Of a whole number the part after the point is checked with its range.
        if fitting.is_empty() && value.is_number() {
            fitting = forms.iter().copied().filter(|form| is_number_in_recipe(path, form)).collect();
        }
        match (fitting.as_slice(), value) {
            ([], _) => self.push(path, wrong_type(path, value, &forms)),
            (fitting, Value::Object(map)) => self.check_map(path, map, fitting),
            ([first, ..], Value::Array(items)) => {
                if let Some(schema) = first.get("items") {
                    items.iter().enumerate().for_each(|(i, item)| self.check(&format!("{path}[{i}]"), item, schema));
                }
            }
            (fitting, Value::String(word)) => self.check_word(path, word, fitting),
            (_, Value::Null | Value::Bool(_) | Value::Number(_)) => {}
        }
    }

    /// The forms that a value may have, with definitions in the place of their names.
    fn forms(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let definition = name.rsplit('/').next().and_then(|name| self.definitions?.get(name));
            return definition.map(|definition| self.forms(definition)).unwrap_or_default();
        }
        match schema.get("anyOf").and_then(Value::as_array) {
            Some(forms) => forms.iter().flat_map(|form| self.forms(form)).collect(),
            None => vec![schema],
        }
    }

    /// A map may have the keys of all forms; which of them go together is checked later.
    fn check_map(&mut self, path: &str, map: &Map<String, Value>, forms: &[&'a Value]) {
        let properties: Vec<(&'a String, &'a Value)> =
            forms.iter().filter_map(|form| form.get("properties")?.as_object()).flatten().collect();
        for (key, value) in map {
            let inner = join(path, key);
            let known = properties.iter().find(|(name, _)| *name == key).map(|(_, schema)| *schema);
            match known.or_else(|| of_pattern(key, forms)).or_else(|| of_any_key(forms)) {
                // An empty value stands for a key that is not there.
                Some(_) if value.is_null() => {}
                Some(schema) => self.check(&inner, value, schema),
                None if forms.iter().any(|form| is_open(form)) => {}
                None => self.push_unknown(path, key, properties.iter().map(|(name, _)| name.as_str())),
            }
        }
        // What one of several forms needs is said when the form is known.
        if let [form] = forms {
            let required =
                form.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            for key in required.filter(|key| map.get(*key).is_none_or(Value::is_null)) {
                let what = properties.iter().find(|(name, _)| *name == key).map(|(_, schema)| description(schema));
                self.push(&join(path, key), format!("is missing{}", what.unwrap_or_default()));
            }
        }
    }

    fn check_word(&mut self, path: &str, word: &str, forms: &[&Value]) {
        let words: Vec<&str> =
            forms.iter().filter_map(|form| form.get("enum")?.as_array()).flatten().filter_map(Value::as_str).collect();
        let is_any = forms.iter().any(|form| form.get("enum").is_none());
        // Words of recipes and of trainings are checked with them.
        let is_later = is_in_recipe(path) || path.starts_with("training") || path.contains(".train.");
        if is_any || words.contains(&word) || is_later {
            return;
        }
        let listed = list(&words);
        let meant = meant(path, word).map(|meant| format!("; {meant}"));
        let near = || nearest(word, words.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
        self.push(path, format!("is `{word}`; expected {listed}{}", meant.or_else(near).unwrap_or_default()));
    }

    fn push_unknown<'k>(&mut self, path: &str, key: &str, known: impl Iterator<Item = &'k str>) {
        let nearest = nearest(key, known);
        let path = join(path, key);
        let hint = meant(&path, key);
        self.found.push(SweepError::UnknownKey { path, nearest, hint });
    }

    fn push(&mut self, path: &str, problem: String) {
        let path = if path.is_empty() { "sweep" } else { path };
        self.found.push(SweepError::invalid(path, problem));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_in_recipe(path: &str) -> bool {
    path.starts_with("recipe")
        || path.starts_with("baselines")
        || path.contains("].recipe")
        || path.contains("parameters")
}

/// Recipes read all numbers as such, except seeds.
fn is_number_in_recipe(path: &str, form: &Value) -> bool {
    let is_whole = form.get("type").is_some_and(|kind| kind == "integer");
    is_whole && is_in_recipe(path) && !path.ends_with("seed")
}

/// The schema of a key that a pattern allows, such as `weights.mnist`: all patterns are names before a point.
fn of_pattern<'a>(key: &str, forms: &[&'a Value]) -> Option<&'a Value> {
    let patterns = forms.iter().filter_map(|form| form.get("patternProperties")?.as_object()).flatten();
    let before = key.split_once('.').filter(|(_, after)| !after.is_empty()).map(|(before, _)| before)?;
    let fits = |pattern: &str| {
        let names = pattern.trim_start_matches("^(").split(')').next().unwrap_or_default();
        names.split('|').any(|name| name == before)
    };
    patterns.filter(|(pattern, _)| fits(pattern)).map(|(_, schema)| schema).next()
}

/// The schema of keys that people choose, such as the names of tasks.
fn of_any_key<'a>(forms: &[&'a Value]) -> Option<&'a Value> {
    forms.iter().filter_map(|form| form.get("additionalProperties")).find(|schema| schema.is_object())
}

/// Whether other keys are checked elsewhere.
fn is_open(form: &Value) -> bool {
    form.get("additionalProperties").is_none() || form.get("maxProperties").is_some()
}

fn is_of_type(value: &Value, form: &Value) -> bool {
    let kinds = match form.get("type") {
        Some(Value::String(kind)) => vec![kind.as_str()],
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        // Listed words are texts; a schema without a type takes everything.
        Some(_) | None if form.get("enum").is_some() => vec!["string"],
        Some(_) | None => return true,
    };
    kinds.into_iter().any(|kind| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_u64().is_some() || value.as_i64().is_some_and(|_| form.get("minimum").is_none()),
        "null" => value.is_null(),
        _ => false,
    })
}

fn wrong_type(path: &str, value: &Value, forms: &[&Value]) -> String {
    let mut expected: Vec<String> = Vec::new();
    for kind in forms.iter().flat_map(|form| kinds(form)) {
        if !expected.contains(&kind) {
            expected.push(kind);
        }
    }
    let is_expected = |kind: &str| expected.iter().any(|expected| expected.starts_with(kind));
    let is_only = |kind: &str| expected.len() == 1 && is_expected(kind);
    let advice = match value {
        Value::String(text)
            if text.parse::<f64>().is_ok() && (is_expected("a number") || is_expected("a whole number")) =>
        {
            "; write it without quotes"
        }
        Value::Number(_) | Value::Bool(_) if is_expected("a text") => "; put it in quotes if it is meant as a text",
        Value::String(_) | Value::Object(_) | Value::Number(_) if is_only("a list") => {
            "; write `[…]`, or one entry per line after `- `"
        }
        Value::String(_) if path == "metric" => "; write `metric: {name: …}`",
        Value::String(_) | Value::Bool(_) if path == "racing" => "; write `racing: {}` for the usual settings",
        Value::Array(_) if is_only("a map of keys") => "; write `key: value`, without `- ` before it",
        _ => "",
    };
    format!("is {}; expected {}{advice}", found(value), expected.join(" or "))
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 40 => "a text".to_owned(),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map of keys".to_owned(),
    }
}

/// The types that a form takes, in words.
fn kinds(form: &Value) -> Vec<String> {
    let of = |kind: &str| match (kind, form.get("minimum").and_then(Value::as_u64)) {
        ("object", _) => Some("a map of keys".to_owned()),
        ("array", _) => Some("a list".to_owned()),
        ("string", _) => Some("a text".to_owned()),
        ("boolean", _) => Some("true or false".to_owned()),
        ("number", _) => Some("a number".to_owned()),
        ("integer", Some(least)) => Some(format!("a whole number from {least} on")),
        ("integer", None) => Some("a whole number".to_owned()),
        _ => None,
    };
    match form.get("type") {
        Some(Value::String(kind)) => of(kind).into_iter().collect(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).filter_map(of).collect(),
        _ => vec!["a text".to_owned()],
    }
}

/// The description of a schema, as the end of a sentence.
fn description(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => format!(": {}{}", first.to_lowercase(), letters.as_str()),
        None => String::new(),
    }
}

fn list(words: &[&str]) -> String {
    match words {
        [one] => format!("`{one}`"),
        words if words.len() > MOST_WORDS => "another word".to_owned(),
        words => format!("one of `{}`", words.join("`, `")),
    }
}
