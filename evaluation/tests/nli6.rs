//! The language model against the nli6 fixture and its goldens.

use crate::fixture::{close, json, tensors, values};
use candle_core::{Device, Tensor};
use evaluation::{DecoderModel, Delta, Texts, Watch};
use jobs::Precision;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

const TASKS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn example(path: &str) -> PathBuf {
    root().join("examples/nli6").join(path)
}

fn golden(name: &str) -> HashMap<String, Tensor> {
    tensors(&root().join("testdata/nli6/goldens").join(format!("{name}.safetensors")))
}

/// The texts of a golden: what the attention mask leaves of its rows.
fn texts(golden: &HashMap<String, Tensor>, task: &str) -> Option<Texts> {
    let rows = |name: &str| -> Vec<Vec<i64>> {
        golden[&format!("{task}.{name}")].to_dtype(candle_core::DType::I64).unwrap().to_vec2().unwrap()
    };
    golden.get(&format!("{task}.input_ids"))?;
    let kept = |(ids, mask): (Vec<i64>, Vec<i64>)| {
        let kept = ids.iter().zip(&mask).filter(|(_, seen)| **seen == 1).map(|(id, _)| u32::try_from(*id).unwrap());
        (kept.collect::<Vec<_>>(), 0)
    };
    Some(Texts::new(rows("input_ids").into_iter().zip(rows("attention_mask")).map(kept)))
}

/// All texts of the goldens: 19 to 51 tokens, say.
pub(crate) fn all_texts() -> Texts {
    let golden = golden("logits_base_plus_snli_adapter");
    let all = TASKS.iter().filter_map(|task| texts(&golden, task));
    let all = all.flat_map(|texts| (0..texts.len()).map(|n| (texts.ids(n).to_vec(), 0)).collect::<Vec<_>>());
    Texts::new(all)
}

fn logits(model: &DecoderModel, texts: &Texts, head: &str) -> Vec<f32> {
    let features = model.features(texts, &Watch::default()).unwrap();
    let head = tensors(&example(&format!("heads/{head}.safetensors"))).remove("score.weight").unwrap();
    let features =
        Tensor::from_slice(features.values().unwrap(), (texts.len(), features.width()), &Device::Cpu).unwrap();
    values(&features.matmul(&head.t().unwrap()).unwrap())
}

pub(crate) fn with_adapter(base: &DecoderModel, task: &str) -> DecoderModel {
    let adapter = tensors(&example(&format!("adapters/{task}/adapter_model.safetensors")));
    let config = json(&example(&format!("adapters/{task}/adapter_config.json")));
    let rank = config["r"].as_u64().unwrap() as usize;
    let mut pairs: BTreeMap<String, [Vec<f32>; 2]> = BTreeMap::new();
    for (key, tensor) in adapter.iter().filter(|(key, _)| key.contains(".lora_")) {
        let (module, part) = key.strip_prefix("base_model.model.").unwrap().split_once(".lora_").unwrap();
        pairs.entry(module.to_owned()).or_default()[usize::from(part.starts_with('B'))] = values(tensor);
    }
    assert_eq!(pairs.len(), 24);
    let updates = pairs.iter().map(|(name, [a, b])| (name, Delta::LowRank { b, a, rank }));
    base.patched(&base.deltas(updates).unwrap(), 1.0).unwrap()
}

fn with_update(base: &DecoderModel, name: &str) -> DecoderModel {
    let update = golden(&format!("update_{name}"));
    let matrices: Vec<(String, Vec<f32>)> =
        update.iter().map(|(key, tensor)| (key.strip_suffix(".weight").unwrap().to_owned(), values(tensor))).collect();
    let deltas = base.deltas(matrices.iter().map(|(name, matrix)| (name, Delta::Dense(matrix)))).unwrap();
    base.patched(&deltas, 1.0).unwrap()
}

fn both() -> [DecoderModel; 2] {
    let base = example("base");
    let host = DecoderModel::open(&base, &Device::Cpu, Precision::F32).unwrap();
    [host, DecoderModel::open_composed(&base, &Device::Cpu, Precision::F32).unwrap()]
}

#[test]
fn logits_of_an_adapter_are_the_references() {
    let golden = golden("logits_base_plus_snli_adapter");
    for model in both().map(|base| with_adapter(&base, "snli")) {
        let mut seen = 0;
        for task in TASKS {
            let Some(texts) = texts(&golden, task) else { continue };
            let got = logits(&model, &texts, "snli");
            close(&got, &values(&golden[&format!("{task}.logits_padded")]), 1e-4, task);
            close(&got, &values(&golden[&format!("{task}.logits_single")]), 1e-4, task);
            seen += texts.len();
        }
        assert!(seen >= 64, "{seen}");
    }
}

#[test]
fn logits_of_a_merge_are_the_references() {
    let golden = golden("logits_knots_ties_k40_a1.0");
    for model in both().map(|base| with_update(&base, "knots_ties_k40_a1.0")) {
        for task in TASKS {
            let Some(texts) = texts(&golden, task) else { continue };
            close(&logits(&model, &texts, task), &values(&golden[&format!("{task}.logits_padded")]), 1e-4, task);
        }
    }
}
