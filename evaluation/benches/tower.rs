//! The image tower on embedded images: the work of every further point of a sweep.
//!
//! `cargo bench --workspace --bench tower`; images per second are the items. Weights are made up: only shapes matter.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

use candle_core::{Device, Tensor};
use divan::{Bencher, counter::ItemsCount};
use evaluation::{Embedded, ImageModel, Images, Preprocess, Source, Watch};
use jobs::{DataFiles, Rows};
use std::{collections::HashMap, sync::Arc};

fn main() {
    divan::main();
}

/// The shape of an image tower.
#[derive(Debug, Clone, Copy)]
struct Shape {
    image: usize,
    patch: usize,
    width: usize,
    mlp: usize,
    layers: usize,
    heads: usize,
    projection: usize,
    images: usize,
}

const MINI8: Shape =
    Shape { image: 32, patch: 8, width: 192, mlp: 384, layers: 6, heads: 3, projection: 128, images: 600 };
const VIT_B_32: Shape =
    Shape { image: 224, patch: 32, width: 768, mlp: 3072, layers: 12, heads: 12, projection: 512, images: 40 };

/// A repeatable number in ±`scale`.
fn numbers(shape: &[usize], scale: f32, seed: &mut u32) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((*seed >> 8) as f32 / 8_388_608.0 - 1.0) * scale
        })
        .collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn weights(s: Shape) -> HashMap<String, Tensor> {
    let mut all = HashMap::new();
    let mut seed = 1;
    let mut put = |key: String, shape: &[usize]| {
        let scale = if shape.len() > 1 { (shape[1..].iter().product::<usize>() as f32).powf(-0.5) } else { 0.1 };
        all.insert(key, numbers(shape, scale, &mut seed));
    };
    let at = "vision_model.embeddings";
    put(format!("{at}.class_embedding"), &[s.width]);
    put(format!("{at}.position_embedding.weight"), &[(s.image / s.patch).pow(2) + 1, s.width]);
    put(format!("{at}.patch_embedding.weight"), &[s.width, 3, s.patch, s.patch]);
    put("visual_projection.weight".into(), &[s.projection, s.width]);
    let mut norms = vec!["vision_model.pre_layrnorm".to_owned(), "vision_model.post_layernorm".to_owned()];
    for layer in (0..s.layers).map(|n| format!("vision_model.encoder.layers.{n}")) {
        norms.extend([format!("{layer}.layer_norm1"), format!("{layer}.layer_norm2")]);
        let square = ["q_proj", "k_proj", "v_proj", "out_proj"].map(|p| (format!("self_attn.{p}"), s.width, s.width));
        let mlp = [("mlp.fc1".to_owned(), s.mlp, s.width), ("mlp.fc2".to_owned(), s.width, s.mlp)];
        for (name, outputs, inputs) in square.into_iter().chain(mlp) {
            put(format!("{layer}.{name}.weight"), &[outputs, inputs]);
            put(format!("{layer}.{name}.bias"), &[outputs]);
        }
    }
    for norm in norms {
        put(format!("{norm}.weight"), &[s.width]);
        put(format!("{norm}.bias"), &[s.width]);
    }
    all
}

fn prepare(s: Shape, composed: bool) -> (ImageModel, Embedded) {
    let folder = tempfile::tempdir().unwrap();
    let config = serde_json::json!({
        "model_type": "clip", "projection_dim": s.projection,
        "vision_config": {
            "image_size": s.image, "patch_size": s.patch, "hidden_size": s.width, "intermediate_size": s.mlp,
            "num_hidden_layers": s.layers, "num_attention_heads": s.heads,
        },
    });
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    candle_core::safetensors::save(&weights(s), folder.path().join("model.safetensors")).unwrap();
    let open = if composed { ImageModel::open_composed } else { ImageModel::open };
    let model = open(folder.path(), &Device::Cpu).unwrap();
    let embedded = model.embed(&images(s, folder.path()), u64::MAX, &Watch::default()).unwrap();
    (model, embedded)
}

fn images(s: Shape, folder: &std::path::Path) -> Arc<Images> {
    let header = |numbers: &[usize]| -> Vec<u8> { numbers.iter().flat_map(|n| (*n as u32).to_be_bytes()).collect() };
    let mut bytes = header(&[0x803, s.images, s.image, s.image]);
    bytes.extend((0..s.images * s.image * s.image).map(|n| (n * 7919 % 251) as u8));
    let mut labels = header(&[0x801, s.images]);
    labels.resize(labels.len() + s.images, 0);
    let images_path = folder.join("images");
    let labels_path = folder.join("labels");
    std::fs::write(&images_path, bytes).unwrap();
    std::fs::write(&labels_path, labels).unwrap();
    let files = DataFiles::Idx { images: images_path, labels: labels_path };
    let source = Source { files: &files, image_column: "image", label_column: "label", rows: &Rows::All };
    let preprocess = Preprocess { resize: None, crop: None, ..Preprocess::default() };
    Arc::new(Images::read(&source, &preprocess, None).unwrap())
}

fn features(bencher: Bencher<'_, '_>, shape: Shape, composed: bool, threads: usize) {
    let (model, embedded) = prepare(shape, composed);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = || pool.install(|| model.features(&embedded, &Watch::default()).unwrap());
    bencher.counter(ItemsCount::new(shape.images)).bench_local(run);
}

#[divan::bench(args = [1, 2], sample_count = 7, sample_size = 1)]
fn mini8(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, MINI8, false, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn vit_b_32(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, VIT_B_32, false, threads);
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn mini8_composed(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, MINI8, true, threads);
}
