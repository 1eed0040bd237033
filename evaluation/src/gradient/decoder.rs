//! The decoders: Llama and the families like it.

use super::{
    GradientTower,
    activation::Curve,
    attention::Heads,
    block::Block,
    linear::{Frozen, Linear},
    norm::Norm,
    tower::Slot,
};
use crate::{
    decoder::{DecoderConfig, DecoderWeights, LayerWeights, LinearWeights, ModuleKind, Stored, module_name},
    model::{ModelError, host::real::Real},
};
use std::{path::Path, sync::Arc};

impl<T: Real> GradientTower<T> {
    /// Reads a decoder of a Hugging Face folder, without updates.
    ///
    /// Every matrix is held in `T`, twice the size of half-width weights in `f32`.
    ///
    /// # Errors
    /// As [`DecoderModel::open`](crate::DecoderModel::open).
    pub fn open_decoder(folder: &Path) -> Result<Self, ModelError> {
        let config = DecoderConfig::read(&folder.join("config.json"))?;
        let found = DecoderWeights::open(folder, &config)?;
        let blocks: Vec<Block<T>> =
            found.layers.iter().enumerate().map(|(n, layer)| block(&config, n, layer)).collect();
        let lowest = blocks.len();
        Ok(Self {
            blocks,
            last_norm: norm(&found.norm, config.norm_eps),
            projection: None,
            slots: (0..config.layers).flat_map(|layer| ModuleKind::ALL.map(|kind| slot(layer, kind))).collect(),
            decoder: Some(Arc::new(config)),
            modules: Vec::new(),
            tasks: 0,
            lowest,
        })
    }
}

fn slot(layer: usize, kind: ModuleKind) -> (String, Slot) {
    let slot = match kind {
        ModuleKind::Query => Slot::Query(layer),
        ModuleKind::Key => Slot::Key(layer),
        ModuleKind::Value => Slot::Value(layer),
        ModuleKind::Out => Slot::Out(layer),
        ModuleKind::Gate => Slot::Gate(layer),
        ModuleKind::Up => Slot::Up(layer),
        ModuleKind::Down => Slot::Down(layer),
    };
    (module_name((layer, kind)), slot)
}

fn read(stored: &Stored) -> Vec<f32> {
    let mut values = vec![0.0; stored.rows * stored.columns];
    values.chunks_exact_mut(stored.columns.max(1)).enumerate().for_each(|(row, to)| stored.row(row, to));
    values
}

fn norm<T: Real>(stored: &Stored, eps: f32) -> Norm<T> {
    Norm::new(&read(stored), None, eps)
}

fn linear<T: Real>(found: &LinearWeights) -> Linear<T> {
    let matrix = &found.matrix;
    let frozen = Frozen::by_outputs(&read(matrix), matrix.rows, matrix.columns);
    Linear::new(frozen, found.bias.as_ref().map(read).as_deref())
}

fn block<T: Real>(config: &DecoderConfig, n: usize, found: &LayerWeights) -> Block<T> {
    let [query, key, value, out, gate, up, down] = found.linears.each_ref().map(linear);
    Block {
        heads: Heads {
            heads: config.heads,
            kv_heads: config.kv_heads,
            head_width: config.head_width,
            causal: true,
            window: config.window_of(n),
        },
        norms: found.norms.each_ref().map(|stored| norm(stored, config.norm_eps)),
        query,
        key,
        value,
        out,
        head_norms: found.head_norms.as_ref().map(|norms| norms.each_ref().map(|stored| norm(stored, config.norm_eps))),
        up,
        gate: Some(gate),
        down,
        curve: Curve::Silu,
    }
}
