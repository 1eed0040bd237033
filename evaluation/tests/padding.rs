//! Texts that end with the padding token, against transformers.

use crate::{
    fixture::{close, json, nli6},
    nli6::with_adapter,
};
use candle_core::Device;
use evaluation::{DecoderModel, Head, PairTokenizer, TextSource, Texts, Watch, classify};
use jobs::{DataFiles, Precision, Rows, TextSpec};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tempfile::TempDir;

/// nli6's base with the padding token `pad`; its tokenizer ends each text or pair with the end token, 1001.
fn base(pad: Value) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(nli6("base")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let mut config = json(&nli6("base/config.json"));
    config["pad_token_id"] = pad;
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut tokenizer = json(&nli6("base/tokenizer.json"));
    let post = tokenizer.pointer_mut("/post_processor/processors/1").unwrap();
    for template in ["single", "pair"] {
        let end = json!({"SpecialToken": {"id": "<|end_of_text|>", "type_id": 0}});
        post[template].as_array_mut().unwrap().push(end);
    }
    post["special_tokens"]["<|end_of_text|>"] =
        json!({"id": "<|end_of_text|>", "ids": [1001], "tokens": ["<|end_of_text|>"]});
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

/// The first pairs of mnli.
fn texts(base: &Path, rows: u64) -> Texts {
    let spec = TextSpec { columns: vec!["text1".to_owned(), "text2".to_owned()], ..TextSpec::default() };
    let files = DataFiles::Jsonl(vec![nli6("data/mnli/validation.jsonl")]);
    let rows = Rows::Indices((0..rows).collect());
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &rows };
    let tokenizer = PairTokenizer::open(&base.join("tokenizer.json"), None).unwrap();
    Texts::read(&source, &tokenizer, None).unwrap()
}

fn open(base: &Path) -> DecoderModel {
    DecoderModel::open(base, &Device::Cpu, Precision::F32).unwrap()
}

fn features(model: &DecoderModel, texts: &Texts) -> Vec<f32> {
    model.features(texts, &Watch::default()).unwrap().values().unwrap().to_vec()
}

/// Right answers of transformers 5.24 with PEFT 0.21.2 on these 300 pairs: the base with mnli's head, and with its
/// adapter.
#[test]
fn texts_that_end_with_padding_are_read_as_transformers_reads_them() {
    let head = Head::read(&nli6("heads/mnli.safetensors")).unwrap();
    for (pad, want) in
        [(json!(1001), [182, 253]), (json!(1002), [107, 115]), (json!(null), [107, 115]), (json!(-1), [107, 115])]
    {
        let folder = base(pad.clone());
        let model = open(folder.path());
        let texts = texts(folder.path(), 300);
        let right = [model.clone(), with_adapter(&model, "mnli")].map(|model| {
            let features = model.features(&texts, &Watch::default()).unwrap();
            classify(&features, &head, &[]).unwrap().correct
        });
        assert_eq!(right, want, "padding token {pad}");
    }
}

#[test]
fn both_ways_of_running_read_a_text_at_the_same_token() {
    let folder = base(json!(1001));
    let host = open(folder.path());
    let composed = DecoderModel::open_composed(folder.path(), &Device::Cpu, Precision::F32).unwrap();
    let texts = texts(folder.path(), 20);
    assert_eq!(texts.ids(3).last(), Some(&1001));
    close(&features(&composed, &texts), &features(&host, &texts), 1e-4, "composed against host");
}

#[test]
fn padding_at_the_end_changes_nothing_and_within_a_text_it_is_a_token() {
    let folder = base(json!(1001));
    for model in
        [open(folder.path()), DecoderModel::open_composed(folder.path(), &Device::Cpu, Precision::F32).unwrap()]
    {
        let of = |ids: &[u32]| features(&model, &Texts::new([(ids.to_vec(), 0)]));
        let plain = of(&[1000, 5, 6]);
        assert_eq!(of(&[1000, 5, 6, 1001]), plain);
        assert_eq!(of(&[1000, 5, 6, 1001, 1001]), plain);
        let within = of(&[1000, 5, 1001, 6]);
        assert!(within.iter().zip(&plain).any(|(a, b)| (a - b).abs() > 1e-3));
        assert_eq!(of(&[1000, 5, 1001, 6, 1001]), within);
        assert_eq!(of(&[1001, 1001, 1001]), of(&[1001]), "padding alone is read at its first token");
        let mixed = Texts::new([(vec![1000, 5, 6, 1001, 1001], 0), (vec![1000, 5, 1001, 6], 1), (vec![1001, 1001], 2)]);
        let want = [plain, within, of(&[1001])].concat();
        close(&features(&model, &mixed), &want, 1e-5, "texts of several kinds at once");
    }
}

/// A cut text has its special tokens all the same, so its end is padding as well.
#[test]
fn a_text_that_is_cut_is_read_before_its_padding() {
    let folder = base(json!(1001));
    let data = folder.path().join("test.jsonl");
    fs::write(&data, json!({"one": "the dog was not running at noon, you know", "label": 0}).to_string()).unwrap();
    let spec = TextSpec { columns: vec!["one".to_owned()], ..TextSpec::default() };
    let files = DataFiles::Jsonl(vec![data]);
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let tokenizer = PairTokenizer::open(&folder.path().join("tokenizer.json"), Some(6)).unwrap();
    let cut = Texts::read(&source, &tokenizer, None).unwrap();
    assert_eq!((cut.truncated(), cut.ids(0).len(), cut.ids(0)[5]), (1, 6, 1001));
    let model = open(folder.path());
    let before = Texts::new([(cut.ids(0)[..5].to_vec(), 0)]);
    assert_eq!(features(&model, &cut), features(&model, &before));
}
