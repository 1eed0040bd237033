//! What becomes of each key of a configuration file: it is followed, refused, or known to have no effect.

mod pretrained;
#[cfg(test)]
pub(crate) mod table_cases;

pub(crate) use pretrained::{NAMES, PRETRAINED, SPEED, TRAINING};

use crate::ModelError;
use serde_json::{Map, Value};
use std::path::Path;

/// The keys of one kind of file that have a known fate. A key that is in none of them has no effect, and a note says
/// so.
pub(crate) type Keys = &'static [(&'static str, Fate)];

/// The object of a configuration file, key by key.
pub(crate) type Object = Map<String, Value>;

/// What becomes of a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// It is followed, as transformers follows it; the reader of the file refuses values that it cannot follow.
    Honoured,
    /// It would change numbers in a way that is not computed here: only `null` and these values, in JSON, are taken.
    Only {
        /// The values that change nothing.
        values: &'static [&'static str],
        /// What is accepted, in words.
        expected: &'static str,
    },
    /// It changes no number, for this reason.
    WithoutEffect(&'static str),
}

/// A part of a configuration file with the keys that it may have.
#[derive(Clone, Copy)]
pub(crate) struct Section<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// What stands before its keys in messages: empty for the whole file, otherwise with a dot at its end.
    pub(crate) prefix: &'a str,
    /// Its keys.
    pub(crate) object: &'a Object,
    /// What becomes of them; the first that has a key decides.
    pub(crate) keys: &'a [Keys],
}

impl Section<'_> {
    /// Refuses values that would change numbers in a way that is not computed here.
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        for (key, value) in self.object {
            match self.fate(key) {
                Some(Fate::Only { values, expected }) if !is_one_of(value, values) => {
                    return Err(self.refuse(key, value, expected));
                }
                Some(Fate::WithoutEffect(reason)) => {
                    tracing::trace!(file = %self.path.display(), key, %value, reason, "a setting has no effect");
                }
                Some(Fate::Honoured | Fate::Only { .. }) | None => {}
            }
        }
        Ok(())
    }

    /// The unknown keys that are not empty, with their values for people.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let is_unknown = |(key, value): &(&String, &Value)| self.fate(key).is_none() && says_something(value);
        let named = |(key, value): (&String, &Value)| format!("`{}{key}` (`{}`)", self.prefix, shown(value));
        self.object.iter().filter(is_unknown).map(named).collect()
    }

    /// The error of a value that cannot be followed.
    pub(crate) fn refuse(&self, key: &str, value: &Value, expected: &str) -> ModelError {
        let key = format!("{}{key}", self.prefix);
        ModelError::Setting { path: self.path.into(), key, found: shown(value), expected: expected.to_owned() }
    }

    fn fate(&self, key: &str) -> Option<Fate> {
        let known = |keys: &Keys| keys.iter().find(|(known, _)| *known == key).map(|(_, fate)| *fate);
        self.keys.iter().find_map(known)
    }
}

/// The object in the text of a configuration file. Of a key that is there twice the last counts, as in Python.
pub(crate) fn object(path: &Path, what: &'static str, text: &str) -> Result<Object, ModelError> {
    serde_json::from_str(text).map_err(|source| ModelError::Json { path: path.into(), what, source })
}

/// The part of a file under `key`, if it is an object.
pub(crate) fn part<'a>(object: &'a Object, key: &str) -> Option<&'a Object> {
    object.get(key).and_then(Value::as_object)
}

/// The note on the unknown keys of one file.
pub(crate) fn note(path: &Path, unknown: &[String]) -> Option<String> {
    let list = unknown.join(", ");
    let note = || format!("`{}` has keys that are not known here and have no effect: {list}", path.display());
    (!unknown.is_empty()).then(note)
}

/// A value for people: a text without quotes, and not much of what is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether a value is `null` or equal to one of `values`; 1 and 1.0 are the same number.
fn is_one_of(value: &Value, values: &[&str]) -> bool {
    let equals = |wanted: &Value| match (value.as_f64(), wanted.as_f64()) {
        (Some(value), Some(wanted)) => value.total_cmp(&wanted).is_eq(),
        _ => value == wanted,
    };
    value.is_null() || values.iter().filter_map(|text| serde_json::from_str(text).ok()).any(|wanted| equals(&wanted))
}

/// Whether a value is more than what an unset option looks like.
pub(crate) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_set) => *is_set,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}

/// A key that is followed and has not the same value in two objects, with both values: one that both have, if there is
/// one.
pub(crate) fn difference(keys: &[Keys], one: &Object, other: &Object) -> Option<(&'static str, [Value; 2])> {
    let values = |key: &str| [one, other].map(|object| object.get(key).cloned().unwrap_or_default());
    let differing = || honoured(keys).map(|key| (key, values(key))).filter(|(_, [one, other])| one != other);
    let both = differing().find(|(_, values)| values.iter().all(|value| !value.is_null()));
    both.or_else(|| differing().next())
}

fn honoured(keys: &[Keys]) -> impl Iterator<Item = &'static str> {
    keys.iter().copied().flatten().filter(|(_, fate)| matches!(fate, Fate::Honoured)).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEYS: Keys = &[
        ("width", Fate::Honoured),
        ("bias", Fate::Only { values: &["false"], expected: "`false`" }),
        ("factor", Fate::Only { values: &["1"], expected: "1" }),
        ("name", Fate::WithoutEffect(NAMES)),
    ];

    fn section(object: &Object) -> Section<'_> {
        Section { path: Path::new("config.json"), prefix: "tower.", object, keys: &[KEYS, PRETRAINED] }
    }

    fn object(value: Value) -> Object {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn only_values_that_change_nothing_pass() {
        for neutral in [json!({"bias": null, "factor": 1.0}), json!({"bias": false, "factor": 1})] {
            section(&object(neutral)).check().unwrap();
        }
        let refused = |value| section(&object(value)).check().unwrap_err().to_string();
        assert_eq!(refused(json!({"bias": true})), "`config.json`: `tower.bias` is `true`, expected `false`");
        assert_eq!(refused(json!({"factor": 0})), "`config.json`: `tower.factor` is `0`, expected 1");
    }

    #[test]
    fn unknown_keys_are_noted_unless_they_are_empty() {
        let there = object(json!({"wings": 2, "width": 3, "name": "x", "use_cache": true, "tail": null, "fur": false}));
        let unknown = section(&there).unknown();
        assert_eq!(unknown, ["`tower.wings` (`2`)"]);
        let note = note(Path::new("config.json"), &unknown).unwrap();
        assert_eq!(note, "`config.json` has keys that are not known here and have no effect: `tower.wings` (`2`)");
        assert_eq!(super::note(Path::new("config.json"), &[]), None);
    }

    #[test]
    fn long_values_are_cut_for_people() {
        assert_eq!(shown(&json!("é".repeat(100))), format!("{}…", "é".repeat(60)));
        assert_eq!(shown(&json!({"bits": 4})), r#"{"bits":4}"#);
    }
}
