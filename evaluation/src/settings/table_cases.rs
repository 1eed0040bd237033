//! Checks tables of keys: every key does what its table says.

use super::{Fate, Keys};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Checks `read`, which turns a file into settings or an error, against the tables `keys`.
///
/// `plain` is a file, and `changed` has another value for each key that is honoured, with what else it takes for the
/// key to count. An honoured key has to change the outcome, a refused one has to be named, and one without effect must
/// change nothing.
pub(crate) fn check_table<T: PartialEq + std::fmt::Debug>(
    keys: &[Keys],
    plain: &Value,
    changed: &BTreeMap<&str, Value>,
    read: impl Fn(&Value) -> Result<T, String>,
) {
    let wanted = read(plain).unwrap();
    let mut seen: Vec<&str> = Vec::new();
    for (key, fate) in keys.iter().copied().flatten() {
        if seen.contains(key) {
            continue;
        }
        seen.push(*key);
        match fate {
            Fate::Honoured => {
                let changes = changed.get(key).unwrap_or_else(|| panic!("no other value for `{key}`"));
                let mut rest = changes.clone();
                rest.as_object_mut().unwrap().remove(*key).unwrap();
                assert_ne!(read(&with(plain, changes)), read(&with(plain, &rest)), "`{key}` has no effect");
            }
            Fate::Only { values, .. } => {
                for value in [json!("other"), json!(7), json!({"a": 1})] {
                    let refused = read(&with(plain, &json!({ *key: value }))).unwrap_err();
                    assert!(refused.contains(key), "`{key}` is not named: {refused}");
                }
                for value in values.iter().copied().chain(["null"]) {
                    let value: Value = serde_json::from_str(value).unwrap();
                    assert_eq!(read(&with(plain, &json!({ *key: value }))).as_ref(), Ok(&wanted), "`{key}`");
                }
            }
            Fate::WithoutEffect(reason) => {
                assert!(!reason.is_empty());
                for value in [json!("other"), json!(7), json!({"a": 1}), Value::Null] {
                    assert_eq!(read(&with(plain, &json!({ *key: value }))).as_ref(), Ok(&wanted), "`{key}`");
                }
            }
        }
    }
    let unused: Vec<_> = changed.keys().filter(|key| !seen.contains(key)).collect();
    assert!(unused.is_empty(), "no such keys: {unused:?}");
}

/// `plain` with the entries of `changes`.
fn with(plain: &Value, changes: &Value) -> Value {
    let mut value = plain.clone();
    for (key, to) in changes.as_object().unwrap() {
        value[key] = to.clone();
    }
    value
}
