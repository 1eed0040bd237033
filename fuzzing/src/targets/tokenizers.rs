//! Tokenizers, of both kinds of models.

use super::{examples, nothing, put, texts};
use crate::{Format, Target};
use evaluation::{PairTokenizer, TextModel, notes};
use jobs::error_chain;
use serde_json::{Value, json};
use std::path::Path;

/// What is read with every tokenizer.
pub(super) const TEXTS: &str = "{\"a\": \"a small cat\", \"b\": \"the cat's  mat\", \"label\": 0}
{\"a\": \"aaaaaaaaaaaaaaaa\", \"b\": \"\u{e9}\u{1f980} 1234\", \"label\": 1}
";

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "tokenizer",
            format: Format::Json,
            seeds,
            prepare: nothing,
            read: |folder, input| {
                put(folder, "tokenizer.json", input);
                let _ = notes(folder);
                let tokenizer = PairTokenizer::open(&folder.join("tokenizer.json"), Some(24))
                    .map_err(|error| error_chain(&error))?;
                texts::tokenised(folder, &tokenizer)
            },
            // A text that the tokenizer refuses is named by its own file.
            named: ".json",
        },
        Target {
            name: "clip-tokenizer",
            format: Format::Json,
            seeds: || {
                let mut seeds = seeds();
                seeds.push(examples::file("examples/mini8/base/tokenizer.json"));
                seeds
            },
            prepare,
            read: |folder, input| {
                put(folder, "tokenizer.json", input);
                let model = TextModel::open(folder).map_err(|error| error_chain(&error))?;
                let ids = ["a photo of a cat.", "\u{e9}", ""]
                    .map(|text| model.tokenizer().encode(text).map_err(|error| error_chain(&error)));
                Ok(format!("{ids:?}"))
            },
            named: ".json",
        },
    ]
}

/// A text tower so small that its tokenizer takes most of the time.
fn prepare(folder: &Path) {
    put(folder, "config.json", super::models::clip_config().to_string());
    put(folder, "model.safetensors", examples::tensors(&super::models::clip_shapes()));
}

/// Small tokenizers of all kinds of models and normalisers.
fn seeds() -> Vec<Vec<u8>> {
    let letters = || ["<s>", "</s>", "a", "b", "c", "t", "s", "m", "l", "h", "e", "at", "cat", "\u{120}", "\u{120}c"];
    let vocabulary: Value =
        letters().into_iter().zip(0..).map(|(token, id)| (token.to_owned(), Value::from(id))).collect();
    let scored: Value = letters().into_iter().map(|token| json!([token, -1.5])).collect();
    let template = json!({
        "type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
    });
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let normaliser = json!({"type": "Sequence", "normalizers": [
        {"type": "NFC"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
        {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}, {"type": "Prepend", "prepend": "_"}, {"type": "Strip", "strip_left": true, "strip_right": true},
    ]});
    let split = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "'s|\\p{L}+|\\p{N}{1,3}|\\s+"}, "behavior": "Isolated", "invert": false}, byte_level,
    ]});
    let tokenizer = |model: Value, normaliser: Value, pre: Value, decoder: Value| {
        let special = |id: u32, content: &str| json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [special(0, "<s>"), special(1, "</s>")],
            "normalizer": normaliser, "pre_tokenizer": pre, "post_processor": template, "decoder": decoder, "model": model,
        })
        .to_string()
        .into_bytes()
    };
    let bpe = json!({
        "type": "BPE", "dropout": null, "unk_token": "</s>", "continuing_subword_prefix": "", "end_of_word_suffix": "", "fuse_unk": false,
        "byte_fallback": false, "ignore_merges": false, "vocab": vocabulary, "merges": [["a", "t"], ["c", "at"]],
    });
    let word_level = json!({"type": "WordLevel", "vocab": vocabulary, "unk_token": "</s>"});
    let word_piece = json!({
        "type": "WordPiece", "unk_token": "</s>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocabulary,
    });
    let unigram = json!({"type": "Unigram", "unk_id": 1, "vocab": scored, "byte_fallback": false});
    vec![
        tokenizer(bpe, normaliser.clone(), split, byte_level.clone()),
        tokenizer(word_level, json!({"type": "NFKC"}), json!({"type": "Whitespace"}), Value::Null),
        tokenizer(
            word_piece,
            json!({"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null, "lowercase": true}),
            json!({"type": "BertPreTokenizer"}),
            json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
        ),
        tokenizer(
            unigram,
            normaliser,
            json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "always", "split": true}),
            Value::Null,
        ),
    ]
}
