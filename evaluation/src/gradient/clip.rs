//! The image tower of a CLIP model.

use super::{
    GradientTower,
    attention::Heads,
    block::Block,
    linear::{Frozen, Linear},
    norm::Norm,
    tower::Slot,
};
use crate::model::{
    ClipConfig, ModelError,
    host::real::Real,
    weights::{BlockWeights, LinearWeights, NormWeights, Weights},
};
use std::path::Path;

impl<T: Real> GradientTower<T> {
    /// Reads the image tower of a Hugging Face `CLIPModel` folder, without updates.
    ///
    /// # Errors
    /// As [`ImageModel::open`](crate::ImageModel::open).
    pub fn open_clip(folder: &Path) -> Result<Self, ModelError> {
        let config = ClipConfig::read(&folder.join("config.json"))?;
        let read = Weights::open(folder)?.vision(&config)?;
        let encoder = &config.vision.encoder;
        let blocks: Vec<Block<T>> = read.blocks.iter().map(|read| block(&config, read)).collect();
        let projection = Frozen::by_inputs(&read.projection, config.projection, 0..config.projection);
        let mut slots: Vec<(String, Slot)> = (0..encoder.layers).flat_map(slots).collect();
        slots.push(("visual_projection".to_owned(), Slot::Projection));
        let lowest = blocks.len();
        Ok(Self {
            blocks,
            last_norm: norm(&read.post, encoder.layer_norm_eps),
            projection: Some(Linear::new(projection, None)),
            slots,
            decoder: None,
            modules: Vec::new(),
            tasks: 0,
            lowest,
        })
    }
}

fn slots(layer: usize) -> [(String, Slot); 6] {
    let name = |linear: &str| format!("vision_model.encoder.layers.{layer}.{linear}");
    [
        (name("self_attn.q_proj"), Slot::Query(layer)),
        (name("self_attn.k_proj"), Slot::Key(layer)),
        (name("self_attn.v_proj"), Slot::Value(layer)),
        (name("self_attn.out_proj"), Slot::Out(layer)),
        (name("mlp.fc1"), Slot::Up(layer)),
        (name("mlp.fc2"), Slot::Down(layer)),
    ]
}

fn norm<T: Real>(read: &NormWeights, eps: f32) -> Norm<T> {
    Norm::new(&read.weight, Some(&read.bias), eps)
}

fn block<T: Real>(config: &ClipConfig, read: &BlockWeights) -> Block<T> {
    let encoder = &config.vision.encoder;
    let width = encoder.width;
    let eps = encoder.layer_norm_eps;
    let part = |read: &LinearWeights, columns: std::ops::Range<usize>| {
        let frozen = Frozen::by_inputs(&read.weight, read.bias.len(), columns.clone());
        Linear::new(frozen, Some(&read.bias[columns]))
    };
    let whole = |read: &LinearWeights| part(read, 0..read.bias.len());
    let heads = encoder.heads;
    Block {
        heads: Heads { heads, kv_heads: heads, head_width: width / heads, causal: false, window: None },
        norms: [norm(&read.norm1, eps), norm(&read.norm2, eps)],
        query: part(&read.qkv, 0..width),
        key: part(&read.qkv, width..2 * width),
        value: part(&read.qkv, 2 * width..3 * width),
        out: whole(&read.out),
        head_norms: None,
        up: whole(&read.fc1),
        gate: None,
        down: whole(&read.fc2),
        curve: encoder.activation.into(),
    }
}
