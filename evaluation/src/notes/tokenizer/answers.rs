//! What answers in `tokenizer.json` to keys of `tokenizer_config.json`.

use serde_json::Value;

/// Whether the pre-tokenizer puts a space before a text, if it is one that knows of that.
pub(super) fn prefix_space(tokenizer: &Value) -> Option<bool> {
    let pre = tokenizer.get("pre_tokenizer")?;
    let parts = pre.get("pretokenizers").and_then(Value::as_array).map_or(std::slice::from_ref(pre), Vec::as_slice);
    parts.iter().find_map(|part| part.get("add_prefix_space")?.as_bool())
}

/// Whether the normalizer makes letters small, if it says so by a flag.
pub(super) fn lowercase(tokenizer: &Value) -> Option<bool> {
    tokenizer.get("normalizer")?.get("lowercase")?.as_bool()
}

/// The added tokens of `added_tokens_decoder` that `tokenizer.json` has under no id, neither added nor in its
/// vocabulary.
pub(super) fn missing_tokens(decoder: &Value, tokenizer: &Value) -> Vec<String> {
    let contents = |tokens: &Value| {
        let all = tokens.as_array().into_iter().flatten().filter_map(|token| token.get("content")?.as_str());
        all.map(str::to_owned).collect::<Vec<_>>()
    };
    let there = tokenizer.get("added_tokens").map(contents).unwrap_or_default();
    let vocabulary = tokenizer.pointer("/model/vocab");
    let is_known = |token: &String| there.contains(token) || vocabulary.is_some_and(|all| all.get(token).is_some());
    let wanted = decoder.as_object().into_iter().flatten();
    let wanted = wanted.filter_map(|(_, token)| token.get("content")?.as_str().map(str::to_owned));
    wanted.filter(|token| !is_known(token)).collect()
}
