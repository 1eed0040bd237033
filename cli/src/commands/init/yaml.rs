//! Texts as YAML writes them.

use serde_json::{Map, Value};

/// Words that YAML, in one of its versions, does not read as texts.
const WORDS: [&str; 11] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan"];

/// A text as a value or a key, in quotes where it would be read as something else.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// Texts as a list in one line.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", texts.into_iter().map(scalar).collect::<Vec<_>>().join(", "))
}

/// A map of keys without its braces, in one line.
pub(super) fn keys(map: &Map<String, Value>) -> String {
    map.iter().map(|(key, inner)| format!("{}: {}", scalar(key), value(inner))).collect::<Vec<_>>().join(", ")
}

/// Any value, in one line.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => format!("{{{}}}", keys(map)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A share in YAML and in words.
pub(super) fn number(value: f64) -> String {
    let text = value.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

fn is_plain(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let begins = begins || text.starts_with("./") || text.starts_with("../");
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let is_word = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || "_./@-+=".contains(c));
    let is_reserved = WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    begins && is_word(scheme) && is_word(rest) && !is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_back_as_itself() {
        let texts = [
            "mnist",
            "no",
            "Null",
            "1",
            "1.5",
            "-1",
            ".5",
            "a b",
            "a: b",
            "a #b",
            "hf://owner/name@main",
            "../x/y",
            "é",
            "a\"b",
            "",
            "~",
            "C:\\data",
            "s3://b/k",
            "[a]",
            "x,y",
            "@a",
            "1e3",
            "0x1f",
            "a\nb",
            "*a",
            "&a",
            "!a",
            "a=b",
        ];
        for text in texts {
            let sweep = format!("value: {}\nlist: {}\n", scalar(text), list([text, "other"]));
            let read = jobs::yaml_value(&sweep).unwrap();
            assert_eq!(read["value"], text, "{sweep}");
            assert_eq!(read["list"][0], text, "{sweep}");
        }
    }

    #[test]
    fn shares_keep_their_point() {
        assert_eq!((number(0.0), number(0.25), number(1.0)), ("0.0".to_owned(), "0.25".to_owned(), "1.0".to_owned()));
    }
}
