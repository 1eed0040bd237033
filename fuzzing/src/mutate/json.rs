//! Changes of JSON documents: of values, keys, depth and texts.

use super::{bytes, numbers, one};
use fastrand::Rng;
use serde_json::{Map, Value};

/// What stands for text that `serde_json` cannot hold as a value, until the document is a text itself.
const HOLE: &str = "hole of the fuzzer";

/// Changes one thing in a document. What is no JSON is changed as bytes.
pub(super) fn mutate(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    let Ok(mut document) = serde_json::from_slice::<Value>(input) else { return bytes::mutate(rng, input, &[]) };
    let nodes = count(&document);
    let mut at = rng.usize(0..nodes);
    let filling = nth(&mut document, &mut at).and_then(|node| {
        let filling = change(rng, node)?;
        *node = Value::from(HOLE);
        Some(filling)
    });
    let text = document.to_string();
    match filling {
        Some(filling) => text.replacen(&format!("\"{HOLE}\""), &filling, 1).into_bytes(),
        None => text.into_bytes(),
    }
}

/// Changes a value in its place, or returns the text that is to stand there.
fn change(rng: &mut Rng, node: &mut Value) -> Option<String> {
    match (rng.u8(0..14), node) {
        (0..=5, Value::Object(entries)) => object(rng, entries),
        (0..=5, Value::Array(items)) => array(rng, items),
        (0..=3, Value::String(text)) => *text = changed_text(rng, text),
        (0..=9, Value::Number(number)) => return Some(near(rng, &number.to_string())),
        (6, Value::Object(entries)) if !entries.is_empty() => return Some(with_a_key_twice(rng, entries)),
        (7, node) => *node = Value::Array(vec![node.clone(); rng.usize(0..4)]),
        (8, _) if rng.u8(0..4) == 0 => return Some(deep(rng)),
        _ => return Some(other(rng)),
    }
    None
}

fn object(rng: &mut Rng, entries: &mut Map<String, Value>) {
    let Some(key) = rng.choice(entries.keys()).cloned() else {
        entries.insert("added".to_owned(), Value::Null);
        return;
    };
    match rng.u8(0..5) {
        0 | 1 => drop(entries.shift_remove(&key)),
        2 => {
            let value = entries.shift_remove(&key).unwrap_or_default();
            entries.insert(changed_text(rng, &key), value);
        }
        3 => {
            let value = entries[&key].clone();
            entries.insert(changed_text(rng, &key), value);
        }
        // The value of another key.
        _ => {
            if let Some(value) = rng.choice(entries.values()).cloned() {
                entries.insert(key, value);
            }
        }
    }
}

fn array(rng: &mut Rng, items: &mut Vec<Value>) {
    let Some(at) = (!items.is_empty()).then(|| rng.usize(0..items.len())) else {
        items.push(Value::from(1));
        return;
    };
    match rng.u8(0..5) {
        0 => drop(items.remove(at)),
        1 => items.clear(),
        2 => {
            let item = items[at].clone();
            items.extend(vec![item; [1, 2, 300][rng.usize(0..3)]]);
        }
        3 => {
            let with = rng.usize(0..items.len());
            items.swap(at, with);
        }
        _ => items.reverse(),
    }
}

pub(super) fn changed_text(rng: &mut Rng, text: &str) -> String {
    let middle = text.floor_char_boundary(rng.usize(0..=text.len()));
    match rng.u8(0..9) {
        0 => String::new(),
        1 => text[..middle].to_owned(),
        2 => text.repeat(2),
        3 => format!(
            "{}{}{}",
            &text[..middle],
            one(rng, &["\0", "\n", "\u{1b}[2J", "é", "🦀", "\u{202e}", " ", "/", ".", "{}"]),
            &text[middle..]
        ),
        4 => "x".repeat(one_size(rng)),
        5 => text.to_uppercase(),
        6 => numbers::text(rng).to_owned(),
        7 => format!("../{text}"),
        _ => one(
            rng,
            &[
                "",
                ".",
                "..",
                "/",
                "/etc/passwd",
                "a/../..",
                "none",
                "null",
                "true",
                "(",
                "[",
                "(?:a{1000}){1000}",
                "^(a+)+$",
                ".*",
                "\\",
                "$A:0 $B:1",
                "F32",
                "F64",
                "BF16",
                "U8",
                "I64",
                "F4",
                "F8_E4M3",
                "\u{feff}",
            ],
        )
        .to_owned(),
    }
}

fn one_size(rng: &mut Rng) -> usize {
    [1, 100, 5000, 70_000][rng.usize(0..4)]
}

/// A number at the edge of a type, or one beside or a multiple of what was there.
fn near(rng: &mut Rng, number: &str) -> String {
    match (rng.u8(0..4), number.parse::<i64>()) {
        (0, Ok(value)) => value.saturating_add(rng.i64(-2..=2)).to_string(),
        (1, Ok(value)) => value.saturating_mul(rng.i64(0..=4)).to_string(),
        _ => numbers::text(rng).to_owned(),
    }
}

fn with_a_key_twice(rng: &mut Rng, entries: &Map<String, Value>) -> String {
    let whole = Value::Object(entries.clone()).to_string();
    let Some((key, value)) = rng.choice(entries) else { return whole };
    let value = if rng.bool() { value.to_string() } else { other(rng) };
    format!("{},{}:{value}}}", &whole[..whole.len() - 1], Value::from(key.as_str()))
}

/// A value that lies deeper than any reader needs.
fn deep(rng: &mut Rng) -> String {
    let levels = [100, 127, 129, 10_000, 200_000][rng.usize(0..5)];
    match rng.u8(0..3) {
        0 => format!("{}{}", "[".repeat(levels), "]".repeat(levels)),
        1 => "[".repeat(levels),
        _ => format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels)),
    }
}

fn other(rng: &mut Rng) -> String {
    match rng.u8(0..4) {
        0 => numbers::text(rng).to_owned(),
        1 => format!("[{0},{0}]", numbers::text(rng)),
        _ => one(
            rng,
            &[
                "null",
                "true",
                "false",
                "\"\"",
                "\"a\"",
                "{}",
                "[]",
                "[null]",
                "{\"\":0}",
                "[[]]",
                "NaN",
                "\"\\ud800\"",
                "[1e5,\"a\",null]",
            ],
        )
        .to_owned(),
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(entries) => entries.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn nth<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, at)),
        Value::Object(entries) => entries.values_mut().find_map(|entry| nth(entry, at)),
        _ => None,
    }
}
