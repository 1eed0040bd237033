//! Which content of a model folder influences its digest beyond the names of its files: a second image processor, and
//! the rule for reading padded texts.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::{fs, path::Path};

/// The image processor of transformers 4.
pub(crate) const OLD_PROCESSOR: &str = "preprocessor_config.json";
/// The file in which transformers 5 keeps it.
pub(crate) const NEW_PROCESSOR: &str = "processor_config.json";

/// Whether the new file of a folder that has both is part of the model.
///
/// It is fetched in any case, since evaluation refuses two that contradict each other. It counts only then, so that a
/// model keeps the digest it had when nothing read that file, with all results under it. What cannot be read counts.
pub(crate) fn second_processor_counts(folder: &Path) -> bool {
    let read = |name: &str| serde_json::from_slice::<Map<String, Value>>(&fs::read(folder.join(name)).ok()?).ok();
    let (Some(old), Some(new)) = (read(OLD_PROCESSOR), read(NEW_PROCESSOR)) else { return true };
    let new = match new.get("image_processor") {
        None | Some(Value::Null) => return false,
        Some(Value::Object(new)) => new,
        Some(_) => return true,
    };
    // Names of classes and the layout in memory differ between the two writers.
    let decides = |key: &&String| !(key.ends_with("_type") || key.ends_with("_class") || *key == "data_format");
    old.keys().chain(new.keys()).filter(decides).any(|key| old.get(key) != new.get(key))
}

/// The padding token of a Llama whose texts may end with it, if it has one.
///
/// Such texts are read at their last token that is not the padding token; they were once read at their last token. Only
/// evaluations of these models have other numbers because of that, so the rule is part of their digest. A new version
/// of evaluation would discard the results of all other models as well.
///
/// Texts may end with a token that the post-processor names, or that the model makes of letters. A special token that
/// it does not name still ends a text in which it is written out; no digest of a model can know of that.
pub(crate) fn ending_padding(folder: &Path) -> Option<u32> {
    let config: Config = read(folder, "config.json")?;
    let pad = u32::try_from(config.pad_token_id.as_u64()?).ok().filter(|_| config.model_type == "llama")?;
    let tokenizer: Tokenizer = read(folder, "tokenizer.json")?;
    let special = tokenizer.added_tokens.iter().find(|token| token.id == pad && token.special);
    let is_apart =
        special.is_some_and(|token| !tokenizer.model.may_give(token) && !names(&tokenizer.post_processor, pad));
    (!is_apart).then_some(pad)
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    model_type: String,
    #[serde(default)]
    pad_token_id: Value,
}

/// A `tokenizer.json` without its vocabulary, which may be large.
#[derive(Deserialize)]
struct Tokenizer {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    #[serde(default)]
    post_processor: Value,
    model: Model,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
}

#[derive(Deserialize)]
struct Model {
    unk_token: Option<String>,
    unk_id: Option<u32>,
    #[serde(default)]
    byte_fallback: bool,
}

impl Model {
    /// Whether it gives the token for letters that it does not know; with tokens for single bytes it knows all.
    fn may_give(&self, token: &AddedToken) -> bool {
        let is_unknown = self.unk_token.as_ref() == Some(&token.content) || self.unk_id == Some(token.id);
        is_unknown && !self.byte_fallback
    }
}

fn read<T: for<'de> Deserialize<'de>>(folder: &Path, name: &str) -> Option<T> {
    serde_json::from_slice(&fs::read(folder.join(name)).ok()?).ok()
}

/// Whether a post-processor names a token by its id. The types of its texts are numbers as well.
fn names(value: &Value, id: u32) -> bool {
    match value {
        Value::Number(number) => number.as_u64() == Some(u64::from(id)),
        Value::Array(items) => items.iter().any(|item| names(item, id)),
        Value::Object(entries) => entries.iter().any(|(key, entry)| key != "type_id" && names(entry, id)),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(files: &[(&str, &Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, value) in files {
            fs::write(folder.path().join(name), value.to_string()).unwrap();
        }
        folder
    }

    fn special(id: u32, content: &str) -> Value {
        json!({"id": id, "content": content, "special": true})
    }

    fn template(id: u32) -> Value {
        json!({
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"x": {"id": "x", "ids": [id], "tokens": ["x"]}},
        })
    }

    fn padding(config: &Value, tokenizer: &Value) -> Option<u32> {
        ending_padding(folder(&[("config.json", config), ("tokenizer.json", tokenizer)]).path())
    }

    #[test]
    fn only_models_whose_texts_may_end_with_padding_are_told_from_before() {
        let config = |pad: Value| json!({"model_type": "llama", "pad_token_id": pad});
        let plain = json!({"added_tokens": [special(2, "</s>"), special(0, "<unk>")], "model": {"unk_token": "<unk>"}});
        let with = |key: &str, value: Value| {
            let mut tokenizer = plain.clone();
            tokenizer[key] = value;
            tokenizer
        };
        assert_eq!(padding(&config(json!(2)), &plain), None);
        assert_eq!(padding(&config(json!(2)), &with("post_processor", template(1))), None);
        assert_eq!(padding(&config(json!(2)), &with("post_processor", template(2))), Some(2));
        let roberta = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1]});
        assert_eq!(padding(&config(json!(2)), &with("post_processor", roberta)), Some(2));
        assert_eq!(padding(&config(json!(5)), &plain), Some(5), "an ordinary token");
        assert_eq!(padding(&config(json!(0)), &plain), Some(0), "the unknown token");
        let bytes = with("model", json!({"unk_token": "<unk>", "byte_fallback": true, "vocab": {"a": 3}}));
        assert_eq!(padding(&config(json!(0)), &bytes), None, "no letter is unknown");
        assert_eq!(padding(&config(json!(-1)), &with("post_processor", template(2))), None);
        assert_eq!(padding(&config(Value::Null), &with("post_processor", template(2))), None);
        assert_eq!(
            padding(&json!({"model_type": "clip", "pad_token_id": 2}), &with("post_processor", template(2))),
            None
        );
    }

    #[test]
    fn a_second_image_processor_counts_where_it_says_something_else() {
        let counts = |old: Value, new: Value| {
            second_processor_counts(folder(&[(OLD_PROCESSOR, &old), (NEW_PROCESSOR, &new)]).path())
        };
        let old = json!({"size": {"shortest_edge": 32}, "image_processor_type": "CLIPImageProcessor"});
        let same = json!({"size": {"shortest_edge": 32}, "image_processor_type": "CLIPImageProcessorFast", "data_format": "x"});
        assert!(!counts(old.clone(), json!({ "image_processor": same })));
        assert!(!counts(old.clone(), json!({"processor_class": "CLIPProcessor"})));
        assert!(counts(old.clone(), json!({"image_processor": {"size": {"shortest_edge": 64}}})));
        assert!(counts(old.clone(), json!({"image_processor": {}})));
        assert!(counts(old, json!({"image_processor": 3})));
    }
}
