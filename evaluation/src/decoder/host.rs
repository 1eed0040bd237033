//! The language model on the processor: plain slices, one thread per batch of texts, nothing padded.

pub(crate) mod attention;
mod head_norm;
mod layer;
mod matrix;

use super::{
    DecoderConfig,
    batches::{Budget, batches},
    half_of,
    module::ModuleKind,
    rope::Rope,
    stored::Stored,
    updates::Updates,
    weights::DecoderWeights,
};
use crate::{HostBytes, ModelError, Texts, Watch, model::host::kernels::rms_norm, observe::Observation};
use jobs::Precision;
use layer::{Buffers, Layer, Packed};
use rayon::prelude::*;
use std::sync::Arc;

/// Tokens of one batch, which one thread takes through all layers.
pub(crate) const BATCH_TOKENS: usize = 256;

/// The same where matrices are widened on the way: more tokens share the work of it.
pub(crate) const BATCH_TOKENS_WIDENED: usize = 512;

/// A batch of texts between two layers.
#[derive(Clone)]
pub(crate) struct Step {
    /// Tokens of each text.
    lengths: Vec<usize>,
    /// `[tokens of all, width]`
    x: Vec<f32>,
}

impl HostBytes for Step {
    fn host_bytes(&self) -> u64 {
        size_of_val(self.x.as_slice()) as u64
    }
}

/// The language model on the processor; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct HostDecoder {
    config: DecoderConfig,
    precision: Precision,
    embedding: Stored,
    layers: Vec<Layer>,
    norm: Arc<[f32]>,
    batch_tokens: usize,
}

impl HostDecoder {
    pub(crate) fn new(config: DecoderConfig, found: DecoderWeights, precision: Precision) -> Self {
        let layer = |(n, found)| Layer::new(&config, n, found, precision);
        let layers: Vec<Layer> = found.layers.iter().enumerate().map(layer).collect();
        let widened = layers.iter().any(Layer::is_widened);
        Self {
            config,
            precision,
            embedding: found.embedding,
            layers,
            norm: vector(&found.norm, precision),
            batch_tokens: if widened { BATCH_TOKENS_WIDENED } else { BATCH_TOKENS },
        }
    }

    pub(crate) fn patched(&self, updates: &Updates<Vec<f32>>, scaling: f32) -> Self {
        let mut model = self.clone();
        for ((layer, kind), update) in updates {
            let matrix = model.layers[*layer].linear_mut(*kind);
            *matrix = matrix.patched(update, scaling, self.precision);
        }
        model
    }

    /// The last token's final state of each text, `[texts, width]`.
    pub(crate) fn features(&self, texts: &Texts, watch: &Watch<'_>) -> Result<Vec<f32>, ModelError> {
        let width = self.config.width;
        let budget = Budget { tokens: self.batch_tokens, pairs: usize::MAX, padded: false };
        let batches = batches(texts, budget);
        let longest = (0..texts.len()).map(|text| texts.ids(text).len()).max().unwrap_or(0);
        let rope = Rope::new(&self.config, longest);
        let run = |buffers: &mut Buffers, batch: &Vec<usize>| self.batch(texts, batch, &rope, watch, buffers);
        let parts: Vec<Vec<f32>> =
            batches.par_iter().with_max_len(1).map_init(Buffers::default, run).collect::<Result<_, _>>()?;
        let mut features = vec![0.0; texts.len() * width];
        for (batch, part) in batches.iter().zip(&parts) {
            for (text, row) in batch.iter().zip(part.chunks_exact(width)) {
                features[text * width..(text + 1) * width].copy_from_slice(row);
            }
        }
        Ok(features)
    }

    /// The embeddings of all texts, batch by batch.
    pub(crate) fn states(&self, texts: &Texts) -> Vec<Step> {
        let budget = Budget { tokens: self.batch_tokens, pairs: usize::MAX, padded: false };
        let step = |batch: Vec<usize>| Step {
            lengths: batch.iter().map(|text| texts.ids(*text).len()).collect(),
            x: self.embedded(texts, &batch),
        };
        batches(texts, budget).into_iter().map(step).collect()
    }

    /// Runs one layer over all tokens.
    pub(crate) fn run_layer(
        &self,
        layer: usize,
        steps: &mut [Step],
        observation: &mut Observation<'_, ModuleKind>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        let longest = steps.iter().flat_map(|step| &step.lengths).copied().max().unwrap_or(0);
        let rows = steps.iter().map(|step| step.lengths.iter().sum()).max().unwrap_or(0);
        let rope = Rope::new(&self.config, longest);
        observation.run(steps, rows, |step, buffers: &mut Buffers, mut note| {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let packed = Packed::new(step.lengths.iter().copied(), &rope);
            self.layers[layer].apply(&self.config, &mut step.x, &packed, buffers, &mut note);
            watch.done(step.lengths.len());
            Ok(())
        })
    }

    fn batch(
        &self,
        texts: &Texts,
        batch: &[usize],
        rope: &Rope,
        watch: &Watch<'_>,
        buffers: &mut Buffers,
    ) -> Result<Vec<f32>, ModelError> {
        let width = self.config.width;
        let packed = Packed::new(batch.iter().map(|text| texts.ids(*text).len()), rope);
        let mut x = self.embedded(texts, batch);
        let (last, layers) = self.layers.split_last().expect("a configuration has at least one layer");
        for layer in layers {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            layer.apply(&self.config, &mut x, &packed, buffers, &mut |_, _| ());
        }
        if watch.is_cancelled() {
            return Err(ModelError::Cancelled);
        }
        let ends = last.apply_to_ends(&self.config, &x, &packed, buffers);
        let mut features = vec![0.0; batch.len() * width];
        rms_norm(&mut features, &ends, &self.norm, self.config.norm_eps);
        watch.done(batch.len());
        Ok(features)
    }

    /// The embeddings of all texts in their order.
    pub(crate) fn embeddings(&self, texts: &Texts) -> Vec<f32> {
        self.embedded(texts, &(0..texts.len()).collect::<Vec<_>>())
    }

    fn embedded(&self, texts: &Texts, batch: &[usize]) -> Vec<f32> {
        let ids = || batch.iter().flat_map(|text| texts.ids(*text));
        let mut x = vec![0.0; ids().count() * self.config.width];
        for (row, id) in x.chunks_exact_mut(self.config.width).zip(ids()) {
            self.embedding.row(*id as usize, row);
        }
        round(&mut x, self.precision);
        x
    }
}

/// Reads a vector in the model's precision.
fn vector(stored: &Stored, precision: Precision) -> Arc<[f32]> {
    let mut values = vec![0.0; stored.columns];
    stored.row(0, &mut values);
    round(&mut values, precision);
    values.into()
}

fn round(values: &mut [f32], precision: Precision) {
    if let Some(half) = half_of(precision) {
        half.round(values);
    }
}
