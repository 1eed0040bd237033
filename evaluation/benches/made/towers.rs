//! Image towers with made-up weights, and images for them: only shapes matter.

#[path = "numbers.rs"]
mod numbers;

use candle_core::Tensor;
use evaluation::{Embedded, ImageModel, Images, ModelError, Preprocess, Source, Watch};
use jobs::{DataFiles, Rows};
use numbers::numbers;
use std::{collections::HashMap, path::Path, sync::Arc};

/// The shape of an image tower.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) image: usize,
    pub(crate) patch: usize,
    pub(crate) width: usize,
    pub(crate) mlp: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) projection: usize,
    pub(crate) images: usize,
}

pub(crate) const MINI8: Shape =
    Shape { image: 32, patch: 8, width: 192, mlp: 384, layers: 6, heads: 3, projection: 128, images: 600 };
pub(crate) const VIT_B_32: Shape =
    Shape { image: 224, patch: 32, width: 768, mlp: 3072, layers: 12, heads: 12, projection: 512, images: 40 };

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

/// A model and the embedded images that it takes.
pub(crate) fn prepare(s: Shape, open: impl FnOnce(&Path) -> Result<ImageModel, ModelError>) -> (ImageModel, Embedded) {
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
    let model = open(folder.path()).unwrap();
    let embedded = model.embed(&images(s, folder.path()), u64::MAX, &Watch::default()).unwrap();
    (model, embedded)
}

fn images(s: Shape, folder: &Path) -> Arc<Images> {
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
