//! Image towers with made-up weights, and made-up images: only shapes matter.

use crate::Failure;
use candle_core::{Device, Tensor};
use evaluation::{Images, Preprocess, Source};
use jobs::{DataFiles, Rows};
use serde_json::json;
use std::{collections::HashMap, fs, path::Path, sync::Arc};

/// The shape of an image tower.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) is_small: bool,
    image: usize,
    patch: usize,
    width: usize,
    mlp: usize,
    layers: usize,
    heads: usize,
    projection: usize,
    /// Numbers of images of one forward each.
    pub(crate) batches: &'static [usize],
}

pub(crate) const SHAPES: [Shape; 3] = [
    Shape {
        name: "mini8",
        is_small: true,
        image: 32,
        patch: 8,
        width: 192,
        mlp: 384,
        layers: 6,
        heads: 3,
        projection: 128,
        batches: &[64, 256],
    },
    Shape {
        name: "vit_b_32",
        is_small: false,
        image: 224,
        patch: 32,
        width: 768,
        mlp: 3072,
        layers: 12,
        heads: 12,
        projection: 512,
        batches: &[64, 256, 655],
    },
    Shape {
        name: "vit_l_14",
        is_small: false,
        image: 224,
        patch: 14,
        width: 1024,
        mlp: 4096,
        layers: 24,
        heads: 16,
        projection: 768,
        batches: &[32, 127],
    },
];

impl Shape {
    /// Writes a model folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        let config = json!({
            "model_type": "clip", "projection_dim": self.projection,
            "vision_config": {
                "image_size": self.image, "patch_size": self.patch, "hidden_size": self.width,
                "intermediate_size": self.mlp, "num_hidden_layers": self.layers, "num_attention_heads": self.heads,
            },
        });
        fs::write(folder.join("config.json"), config.to_string())?;
        candle_core::safetensors::save(&self.weights()?, folder.join("model.safetensors"))?;
        Ok(())
    }

    fn weights(&self) -> Result<HashMap<String, Tensor>, Failure> {
        let mut shapes = vec![
            ("vision_model.embeddings.class_embedding".to_owned(), vec![self.width]),
            (
                "vision_model.embeddings.position_embedding.weight".to_owned(),
                vec![(self.image / self.patch).pow(2) + 1, self.width],
            ),
            ("vision_model.embeddings.patch_embedding.weight".to_owned(), vec![self.width, 3, self.patch, self.patch]),
            ("visual_projection.weight".to_owned(), vec![self.projection, self.width]),
        ];
        let mut vectors = vec!["vision_model.pre_layrnorm".to_owned(), "vision_model.post_layernorm".to_owned()];
        for layer in (0..self.layers).map(|n| format!("vision_model.encoder.layers.{n}")) {
            vectors.extend(["layer_norm1", "layer_norm2"].map(|norm| format!("{layer}.{norm}")));
            let square = ["q_proj", "k_proj", "v_proj", "out_proj"];
            let square = square.map(|name| (format!("self_attn.{name}"), self.width, self.width));
            let mlp = [("mlp.fc1".to_owned(), self.mlp, self.width), ("mlp.fc2".to_owned(), self.width, self.mlp)];
            for (name, outputs, inputs) in square.into_iter().chain(mlp) {
                shapes.push((format!("{layer}.{name}.weight"), vec![outputs, inputs]));
                shapes.push((format!("{layer}.{name}.bias"), vec![outputs]));
            }
        }
        let parts = vectors.iter().flat_map(|norm| ["weight", "bias"].map(|part| format!("{norm}.{part}")));
        shapes.extend(parts.map(|name| (name, vec![self.width])));
        let mut seed = 1;
        shapes.into_iter().map(|(name, shape)| Ok((name, numbers(&shape, &mut seed)?))).collect()
    }

    /// Made-up images of one class.
    pub(crate) fn images(&self, count: usize, folder: &Path) -> Result<Arc<Images>, Failure> {
        let header =
            |numbers: &[usize]| -> Vec<u8> { numbers.iter().flat_map(|n| (*n as u32).to_be_bytes()).collect() };
        let mut pixels = header(&[0x803, count, self.image, self.image]);
        pixels.extend((0..count * self.image * self.image).map(|n| (n * 7919 % 251) as u8));
        let mut labels = header(&[0x801, count]);
        labels.resize(labels.len() + count, 0);
        let files = DataFiles::Idx { images: folder.join("images"), labels: folder.join("labels") };
        fs::write(folder.join("images"), pixels)?;
        fs::write(folder.join("labels"), labels)?;
        let source = Source { files: &files, image_column: "image", label_column: "label", rows: &Rows::All };
        let preprocess = Preprocess { resize: None, crop: None, ..Preprocess::default() };
        Ok(Arc::new(Images::read(&source, &preprocess, None)?))
    }
}

/// Repeatable numbers, small enough that sixteen bits hold what comes of them.
fn numbers(shape: &[usize], seed: &mut u32) -> Result<Tensor, Failure> {
    let inputs: usize = shape.iter().skip(1).product();
    let scale = if shape.len() > 1 { (inputs as f32).powf(-0.5) } else { 0.1 };
    let next = |_| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((*seed >> 8) as f32 / 8_388_608.0 - 1.0) * scale
    };
    let values: Vec<f32> = (0..shape.iter().product()).map(next).collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}
