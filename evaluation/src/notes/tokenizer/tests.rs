use super::{
    keys::{FOLLOWED, NOT_FOLLOWED, NOTED, WITHOUT_EFFECT},
    *,
};
use crate::{DiskCache, PairTokenizer, TextSource, Texts};
use jobs::{DataFiles, Rows, TextSpec};
use serde_json::json;
use std::collections::BTreeMap;

fn base() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base")
}

fn tokenizer() -> Value {
    serde_json::from_slice(&std::fs::read(base().join("tokenizer.json")).unwrap()).unwrap()
}

fn notes_of(tokenizer: &Value, config: &Value) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    notes(folder.path(), false)
}

/// nli6's tokenizer, which ends each text with the end token as well.
fn with_end() -> Value {
    let mut tokenizer = tokenizer();
    let post = tokenizer.pointer_mut("/post_processor/processors/1").unwrap();
    let end = json!({"SpecialToken": {"id": "<|end_of_text|>", "type_id": 0}});
    for template in ["single", "pair"] {
        post[template].as_array_mut().unwrap().push(end.clone());
    }
    post["special_tokens"]["<|end_of_text|>"] =
        json!({"id": "<|end_of_text|>", "ids": [1001], "tokens": ["<|end_of_text|>"]});
    tokenizer
}

fn without_ends() -> Value {
    let mut tokenizer = tokenizer();
    tokenizer["post_processor"] =
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true});
    tokenizer
}

#[test]
fn flags_that_the_post_processor_follows_need_no_note() {
    for config in [
        json!({}),
        json!({"add_bos_token": true}),
        json!({"add_bos_token": true, "add_eos_token": false, "bos_token": "<|begin_of_text|>"}),
        json!({"tokenizer_class": "LlamaTokenizerFast", "bos_token": {"content": "<|begin_of_text|>"}}),
        json!({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|end_of_text|>"}),
    ] {
        assert_eq!(notes_of(&tokenizer(), &config), Vec::<String>::new(), "{config}");
    }
    assert_eq!(notes_of(&without_ends(), &json!({"add_bos_token": false})), Vec::<String>::new());
    assert_eq!(notes_of(&without_ends(), &json!({})), Vec::<String>::new());
}

#[test]
fn flags_that_the_post_processor_does_not_follow_are_noted_with_both() {
    let one = |tokenizer: &Value, config: Value| {
        let notes = notes_of(tokenizer, &config);
        assert_eq!(notes.len(), 1, "{notes:?}");
        notes[0].clone()
    };
    let names = json!({"bos_token": "<|begin_of_text|>", "eos_token": "<|end_of_text|>"});
    let with = |flags: Value| {
        let mut config = names.clone();
        config.as_object_mut().unwrap().extend(flags.as_object().unwrap().clone());
        config
    };
    let none = one(&without_ends(), with(json!({"add_bos_token": true, "add_eos_token": false})));
    assert_eq!(
        none,
        "`tokenizer_config.json` has `add_bos_token: true` and `add_eos_token: false` while the post-processor of \
         `tokenizer.json` puts nothing before a text, nothing after it, and nothing between the two of a pair: it alone \
         counts, as in transformers 5; transformers 4 follows the flags with Llama's tokenizers"
    );
    let end = one(&tokenizer(), with(json!({"add_bos_token": true, "add_eos_token": true})));
    assert!(end.contains("puts `<|begin_of_text|>` before a text, nothing after it"), "{end}");
    let default = one(&without_ends(), with(json!({"tokenizer_class": "LlamaTokenizerFast"})));
    assert!(default.starts_with("`tokenizer_config.json` has `add_bos_token: true`, the default,"), "{default}");
    one(&tokenizer(), json!({"add_bos_token": false}));
    // transformers would end each text of a pair.
    one(&with_end(), with(json!({"add_bos_token": true, "add_eos_token": true})));
    one(&with_end(), with(json!({"add_bos_token": true, "add_eos_token": false})));
}

#[test]
fn every_other_key_is_noted_or_has_no_effect() {
    let noted = BTreeMap::from([
        ("add_bos_token", json!(false)),
        ("add_eos_token", json!(true)),
        ("add_prefix_space", json!(null)),
        ("added_tokens_decoder", json!({"1024": {"content": "<|more|>"}, "1001": {"content": "<|end_of_text|>"}})),
        ("do_lower_case", json!(true)),
        ("split_special_tokens", json!(true)),
        ("truncation_side", json!("left")),
    ]);
    let mut tokenizer = tokenizer();
    tokenizer["normalizer"] = json!({
        "type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "strip_accents": null,
        "lowercase": false,
    });
    let space = answers::prefix_space(&tokenizer).unwrap();
    for key in NOTED {
        let value = if key == "add_prefix_space" { json!(!space) } else { noted[key].clone() };
        let notes = notes_of(&tokenizer, &json!({ key: value }));
        assert!(notes.len() == 1 && notes[0].contains(&format!("`{key}")), "{key}: {notes:?}");
    }
    for (key, reason) in WITHOUT_EFFECT {
        assert!(!reason.is_empty());
        for value in [json!("other"), json!(7), json!(true), json!({"content": "x"})] {
            assert_eq!(notes_of(&tokenizer, &json!({ key: value })), Vec::<String>::new(), "{key}");
        }
    }
}

/// The tokens of some texts and a pair.
fn tokens(tokenizer: &Value) -> Option<Vec<Vec<u32>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    let data = folder.path().join("test.jsonl");
    let row = json!({"one": "Two<|end_of_text|> DOGS ran", "other": " it\u{301} 12", "label": 0});
    std::fs::write(&data, row.to_string()).unwrap();
    let spec = TextSpec { columns: vec!["one".to_owned(), "other".to_owned()], ..spec() };
    let source =
        TextSource { files: &DataFiles::Jsonl(vec![data]), spec: &spec, label_column: "label", rows: &Rows::All };
    let texts = Texts::read(&source, &PairTokenizer::open(&path, None).ok()?, None::<&DiskCache<'_>>).unwrap();
    Some((0..texts.len()).map(|text| texts.ids(text).to_vec()).collect())
}

fn spec() -> TextSpec {
    serde_json::from_value(json!({"columns": ["one", "other"]})).unwrap()
}

#[test]
fn every_part_of_a_tokenizer_does_what_is_said_of_it() {
    let changed = BTreeMap::from([
        ("added_tokens", json!([])),
        ("normalizer", json!({"type": "Lowercase"})),
        ("pre_tokenizer", json!({"type": "Whitespace"})),
        ("model", json!({"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"})),
        ("post_processor", json!(null)),
    ]);
    let plain = tokens(&tokenizer());
    let with = |part: &str, value: &Value| {
        let mut tokenizer = tokenizer();
        tokenizer[part] = value.clone();
        tokens(&tokenizer)
    };
    for part in FOLLOWED {
        assert_ne!(with(part, &changed[part]), plain, "{part}");
    }
    let other = BTreeMap::from([
        ("truncation", json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0})),
        (
            "padding",
            json!({
                "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 1001, "pad_type_id": 0,
                "pad_token": "<|end_of_text|>",
            }),
        ),
        ("decoder", json!(null)),
    ]);
    for (part, reason) in NOT_FOLLOWED {
        assert!(!reason.is_empty());
        assert_eq!(with(part, &other[part]), plain, "{part}");
    }
}

#[test]
fn a_model_without_padding_token_is_noted_where_texts_end_with_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let note = |tokenizer: Value, lacks_padding| {
        std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
        notes(folder.path(), lacks_padding)
    };
    assert!(note(with_end(), false).is_empty());
    assert!(note(tokenizer(), true).is_empty());
    let note = note(with_end(), true);
    assert!(note[0].contains("ends every text with `<|end_of_text|>`"), "{note:?}");
}
