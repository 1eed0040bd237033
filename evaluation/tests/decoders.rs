//! The families of language models against transformers and PEFT: `testdata/decoders/make_goldens.py` makes the
//! goldens.

use crate::fixture::{json, tensors, values};
use candle_core::{DType, Device, Tensor};
use evaluation::{DecoderModel, Delta, Texts, Watch};
use jobs::Precision;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

const MODELS: [&str; 7] =
    ["llama_biases", "mistral", "mistral_window", "qwen2", "qwen2_window", "qwen3", "qwen3_window"];

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/decoders").join(name)
}

fn texts() -> Texts {
    let texts: Vec<Vec<u32>> = serde_json::from_value(json(&testdata("texts.json"))).unwrap();
    Texts::new(texts.into_iter().map(|text| (text, 0)))
}

/// The logits of a head over features, text by text.
fn logits(model: &DecoderModel, head: &Tensor) -> Vec<f32> {
    let features = model.features(&texts(), &Watch::default()).unwrap();
    let width = features.width();
    let rows =
        Tensor::from_slice(features.values().unwrap(), (features.values().unwrap().len() / width, width), &Device::Cpu)
            .unwrap();
    values(&rows.matmul(&head.to_dtype(DType::F32).unwrap().t().unwrap()).unwrap())
}

fn golden(name: &str, which: &str) -> Vec<f32> {
    let rows: Vec<Vec<f32>> = serde_json::from_value(json(&testdata(name).join("logits.json"))[which].clone()).unwrap();
    rows.concat()
}

/// Both ways of computing, each with the file's half-width weights and with the same in full width.
fn models(name: &str) -> (Vec<(&'static str, DecoderModel)>, tempfile::TempDir) {
    let wide = tempfile::tempdir().unwrap();
    let weights = tensors(&testdata(name).join("model.safetensors")).into_iter();
    let weights: HashMap<String, Tensor> =
        weights.map(|(key, tensor)| (key, tensor.to_dtype(DType::F32).unwrap())).collect();
    candle_core::safetensors::save(&weights, wide.path().join("model.safetensors")).unwrap();
    std::fs::copy(testdata(name).join("config.json"), wide.path().join("config.json")).unwrap();
    let host = |folder: &Path| DecoderModel::open(folder, &Device::Cpu, Precision::F32).unwrap();
    let composed = |folder: &Path| DecoderModel::open_composed(folder, &Device::Cpu, Precision::F32).unwrap();
    let half = testdata(name);
    let models = vec![
        ("host, half-width file", host(&half)),
        ("host, full-width file", host(wide.path())),
        ("composed, half-width file", composed(&half)),
        ("composed, full-width file", composed(wide.path())),
    ];
    (models, wide)
}

/// The adapter's factors by module, with PEFT's scaling of `lora_alpha / r` = 2.
fn patched(model: &DecoderModel, adapter: &HashMap<String, Tensor>) -> DecoderModel {
    let factor = |module: &str, which: &str| {
        values(&adapter[&format!("base_model.model.{module}.{which}.weight")].to_dtype(DType::F32).unwrap())
    };
    let names: Vec<String> = model.modules().into_iter().map(|module| module.name).collect();
    let factors: Vec<_> = names.iter().map(|name| (factor(name, "lora_B"), factor(name, "lora_A"))).collect();
    let updates = names.iter().zip(&factors).map(|(name, (b, a))| (name, Delta::LowRank { b, a, rank: 2 }));
    model.patched(&model.deltas(updates).unwrap(), 2.0).unwrap()
}

#[track_caller]
fn near(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let worst = got.iter().zip(want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-5, "{what}: off by {worst:e}");
}

#[test]
fn logits_are_those_of_transformers_with_and_without_an_adapter() {
    for name in MODELS {
        let base = tensors(&testdata(name).join("model.safetensors"));
        let adapter = tensors(&testdata(name).join("adapter/adapter_model.safetensors"));
        let (models, _wide) = models(name);
        for (way, model) in &models {
            near(&logits(model, &base["score.weight"]), &golden(name, "base"), &format!("{name}, {way}"));
            let head = &adapter["base_model.model.score.weight"];
            let merged = logits(&patched(model, &adapter), head);
            near(&merged, &golden(name, "merged"), &format!("{name}, {way}, with the adapter"));
        }
    }
}

/// A window as long as the longest text hides nothing, and a shorter one hides something.
#[test]
fn a_window_matters_from_the_first_text_that_is_longer() {
    let features = |window: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut config = json(&testdata("mistral_window/config.json"));
        config["sliding_window"] = window.into();
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let weights = testdata("mistral_window/model.safetensors");
        std::fs::copy(weights, folder.path().join("model.safetensors")).unwrap();
        let model = DecoderModel::open(folder.path(), &Device::Cpu, Precision::F32).unwrap();
        model.features(&texts(), &Watch::default()).unwrap().values().unwrap().to_vec()
    };
    let whole = features(64);
    assert_eq!(features(31), whole);
    let shorter = features(30);
    let (others, longest) = whole.split_at(whole.len() - 32);
    assert_eq!(&shorter[..others.len()], others);
    assert_ne!(&shorter[others.len()..], longest);
}

/// More queries than are taken at once, so that parts of a text begin in the middle of it.
#[test]
fn long_texts_with_a_window_are_the_same_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = json(&testdata("qwen2_window/config.json"));
    config["max_position_embeddings"] = 400.into();
    config["sliding_window"] = 37.into();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(testdata("qwen2_window/model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    let texts = Texts::new([400, 129, 37].map(|length| ((0..length).map(|n| n * 37 % 96).collect(), 0)));
    let features = |model: DecoderModel| model.features(&texts, &Watch::default()).unwrap().values().unwrap().to_vec();
    let host = features(DecoderModel::open(folder.path(), &Device::Cpu, Precision::F32).unwrap());
    let composed = features(DecoderModel::open_composed(folder.path(), &Device::Cpu, Precision::F32).unwrap());
    near(&host, &composed, "host against composed");
}

#[test]
fn a_bias_that_the_family_has_and_the_file_has_not_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(testdata("qwen2/config.json"), folder.path().join("config.json")).unwrap();
    let mut weights = tensors(&testdata("qwen2/model.safetensors"));
    weights.remove("model.layers.1.self_attn.k_proj.bias").unwrap();
    candle_core::safetensors::save(&weights, folder.path().join("model.safetensors")).unwrap();
    let error = DecoderModel::open(folder.path(), &Device::Cpu, Precision::F32).map(|_| ()).unwrap_err();
    let tail = "has no tensor `model.layers.1.self_attn.k_proj.bias`, which `config.json` expects with the shape [16]";
    assert!(error.to_string().ends_with(tail), "{error}");
}
