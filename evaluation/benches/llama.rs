//! The language model on texts: the work of every further point of a sweep.
//!
//! `cargo bench --workspace --bench llama`; tokens per second are the items. Weights and texts are made up: only shapes
//! matter. `scripts/pytorch_speed.py text` runs texts of the same lengths.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

#[path = "made/numbers.rs"]
mod numbers;

use candle_core::{DType, Device, Tensor};
use divan::{Bencher, counter::ItemsCount};
use evaluation::{DecoderModel, Delta, Texts, Watch};
use jobs::Precision;
use numbers::numbers;
use std::collections::HashMap;

fn main() {
    divan::main();
}

/// The shape of a model, the format of its weights, and how many texts it gets.
#[derive(Debug, Clone, Copy)]
struct Shape {
    width: usize,
    mlp: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    stored: DType,
    texts: usize,
}

const NLI6: Shape = Shape { width: 128, mlp: 256, layers: 6, heads: 8, kv_heads: 2, stored: DType::F32, texts: 600 };
const SMALL: Shape = Shape { width: 768, mlp: 2048, layers: 12, heads: 12, kv_heads: 4, stored: DType::F32, texts: 96 };
/// Two of the 32 layers of Llama 3 8B.
const LLAMA_3_8B_LAYERS: Shape =
    Shape { width: 4096, mlp: 14_336, layers: 2, heads: 32, kv_heads: 8, stored: DType::BF16, texts: 51 };

const VOCABULARY: usize = 4096;

fn weights(s: Shape) -> HashMap<String, Tensor> {
    let mut all = HashMap::new();
    let mut seed = 1;
    let mut put = |key: String, shape: &[usize]| {
        let scale = if shape.len() > 1 { (shape[1] as f32).powf(-0.5) } else { 1.0 };
        all.insert(format!("model.{key}.weight"), numbers(shape, scale, &mut seed).to_dtype(s.stored).unwrap());
    };
    put("embed_tokens".into(), &[VOCABULARY, s.width]);
    put("norm".into(), &[s.width]);
    for layer in (0..s.layers).map(|n| format!("layers.{n}")) {
        let kv = s.width / s.heads * s.kv_heads;
        put(format!("{layer}.input_layernorm"), &[s.width]);
        put(format!("{layer}.post_attention_layernorm"), &[s.width]);
        for (name, outputs) in [("q", s.width), ("k", kv), ("v", kv), ("o", s.width)] {
            put(format!("{layer}.self_attn.{name}_proj"), &[outputs, s.width]);
        }
        put(format!("{layer}.mlp.gate_proj"), &[s.mlp, s.width]);
        put(format!("{layer}.mlp.up_proj"), &[s.mlp, s.width]);
        put(format!("{layer}.mlp.down_proj"), &[s.width, s.mlp]);
    }
    all
}

/// The folder has to stay while the model is used: weights may be read from it.
fn prepare(s: Shape, composed: bool, precision: Precision) -> (DecoderModel, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({
        "model_type": "llama", "hidden_size": s.width, "intermediate_size": s.mlp, "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads, "num_key_value_heads": s.kv_heads, "vocab_size": VOCABULARY,
        "rope_theta": 500_000.0,
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    candle_core::safetensors::save(&weights(s), folder.path().join("model.safetensors")).unwrap();
    let open = if composed { DecoderModel::open_composed } else { DecoderModel::open };
    (open(folder.path(), &Device::Cpu, precision).unwrap(), folder)
}

/// Pairs of sentences have some 20 to 60 tokens.
fn texts(count: usize) -> Texts {
    let text = |n: usize| (0..20 + n * 17 % 41).map(|token| ((n * 131 + token * 37) % VOCABULARY) as u32).collect();
    Texts::new((0..count).map(|n| (text(n), 0)))
}

fn features(bencher: Bencher<'_, '_>, shape: Shape, precision: Precision, threads: usize) {
    run(bencher, shape, prepare(shape, false, precision), threads);
}

fn run(bencher: Bencher<'_, '_>, shape: Shape, (model, _folder): (DecoderModel, tempfile::TempDir), threads: usize) {
    let texts = texts(shape.texts);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = || pool.install(|| model.features(&texts, &Watch::default()).unwrap());
    bencher.counter(ItemsCount::new(texts.tokens())).bench_local(run);
}

#[divan::bench(args = [1, 2], sample_count = 7, sample_size = 1)]
fn nli6(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, NLI6, Precision::F32, threads);
}

#[divan::bench(args = [1, 2], sample_count = 7, sample_size = 1)]
fn nli6_bf16(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, NLI6, Precision::Bf16, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn small(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, SMALL, Precision::F32, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn small_bf16(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, SMALL, Precision::Bf16, threads);
}

#[divan::bench(args = [2], sample_count = 3, sample_size = 1)]
fn small_composed(bencher: Bencher<'_, '_>, threads: usize) {
    run(bencher, SMALL, prepare(SMALL, true, Precision::F32), threads);
}

#[divan::bench(args = [2], sample_count = 3, sample_size = 1)]
fn llama_3_8b_layers(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, LLAMA_3_8B_LAYERS, Precision::F32, threads);
}

#[divan::bench(args = [2], sample_count = 3, sample_size = 1)]
fn llama_3_8b_layers_bf16(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, LLAMA_3_8B_LAYERS, Precision::Bf16, threads);
}

/// Queries, keys, values and outputs of two layers, with a merged update of rank 96.
#[divan::bench(args = [2], sample_count = 3, sample_size = 1)]
fn llama_3_8b_patch(bencher: Bencher<'_, '_>, threads: usize) {
    let (model, _folder) = prepare(LLAMA_3_8B_LAYERS, false, Precision::F32);
    let numbers = vec![1e-3; 96 * 4096];
    let attention = model.modules().into_iter().filter(|module| module.name.contains("self_attn"));
    let updates = attention.map(|module| {
        (
            module.name,
            Delta::LowRank { b: &numbers[..module.outputs * 96], a: &numbers[..96 * module.inputs], rank: 96 },
        )
    });
    let deltas = model.deltas(updates).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    bencher.bench_local(|| pool.install(|| model.patched(&deltas, 0.5).unwrap()));
}
