//! Texts that lie on a device for all models of a base.

use super::{
    BUDGET,
    layer::{self, Batch},
};
use crate::{
    Texts,
    decoder::{DecoderConfig, batches::batches},
};
use candle_core::Tensor;

/// The texts of a split, batch by batch, as forwards take them.
pub(crate) struct PlacedTexts {
    pub(super) batches: Vec<PlacedBatch>,
    /// Where each text lies among the rows of all batches; `None` without texts.
    pub(super) places: Option<Tensor>,
}

/// One batch, padded on the right to its longest text.
pub(super) struct PlacedBatch {
    /// `[texts, longest]`
    pub(super) ids: Tensor,
    pub(super) batch: Batch,
}

impl PlacedTexts {
    /// The bytes that texts take on a device: four for each id, padding included, and for each text, and what each batch knows of its
    /// positions and of what tokens see.
    pub(crate) fn bytes_of(texts: &Texts, config: &DecoderConfig) -> u64 {
        let places = size_of::<u32>() * texts.len();
        let of_batch = |batch: Vec<usize>| {
            let longest = batch.iter().map(|text| texts.ids(*text).len()).max().unwrap_or(0);
            (size_of::<u32>() * batch.len() * longest) as u64 + layer::batch_bytes(config, batch.len(), longest)
        };
        places as u64 + batches(texts, BUDGET).into_iter().map(of_batch).sum::<u64>()
    }
}
