//! The language model composed of candle's operations, for any device.

mod exact;
mod layer;
mod placed;

pub(crate) use placed::PlacedTexts;

use super::{
    DecoderConfig,
    batches::{Budget, batches},
    module::{ModuleId, ModuleKind},
    stored::Stored,
    updates::{Update, Updates},
    weights::DecoderWeights,
};
use crate::{
    HostBytes, ModelError, Texts, Watch,
    device::Accelerator,
    model::composed::overflows,
    observe::{InputRows, Noted, Observation},
};
use candle_core::{D, DType, Result, Tensor};
use exact::Exact;
use layer::{Batch, Layer, Norm};
use placed::PlacedBatch;

/// Tokens of one forward, padding included: enough to fill an accelerator, little enough for its memory.
pub(crate) const BATCH_TOKENS: usize = 16_384;

/// Pairs of tokens of one text, summed over the texts of a forward: bounds what the scores of attention take.
pub(crate) const BATCH_PAIRS: usize = 1 << 22;

/// What a forward may hold.
const BUDGET: Budget = Budget { tokens: BATCH_TOKENS, pairs: BATCH_PAIRS, padded: true };

/// A batch of texts between two layers, padded on the right to the longest.
#[derive(Clone)]
pub(crate) struct Step {
    /// Tokens of each text.
    lengths: Vec<usize>,
    /// `[texts, longest, width]`
    x: Tensor,
}

impl HostBytes for Step {
    fn host_bytes(&self) -> u64 {
        Accelerator::host_bytes(&self.x)
    }
}

impl Step {
    /// The rows of all texts that are no padding.
    fn unpadded(&self, on: &Accelerator) -> Result<Tensor> {
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        let rows = self.lengths.iter().enumerate().flat_map(|(n, length)| n * longest..n * longest + length);
        let rows: Vec<u32> = rows.map(|row| row as u32).collect();
        let count = rows.len();
        on.put(rows, count)
    }
}

/// The language model composed of candle's operations; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct ComposedDecoder {
    config: DecoderConfig,
    on: Accelerator,
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Norm,
}

impl ComposedDecoder {
    pub(crate) fn new(
        config: DecoderConfig,
        found: DecoderWeights,
        on: Accelerator,
    ) -> std::result::Result<Self, ModelError> {
        let read = |stored: &Stored| {
            let tensor = stored.load(on.device())?;
            on.was_put(&tensor);
            Ok::<_, ModelError>(tensor.to_dtype(on.dtype())?)
        };
        let norm = |stored: &Stored| {
            Ok::<_, ModelError>(Norm { weight: read(stored)?.to_dtype(DType::F32)?, eps: config.norm_eps })
        };
        let norms = |[first, second]: &[Stored; 2]| Ok::<_, ModelError>([norm(first)?, norm(second)?]);
        let layers = found.layers.iter().enumerate().map(|(n, layer)| {
            let matrices = layer.linears.iter().map(|linear| read(&linear.matrix));
            let biases = layer.linears.iter().map(|linear| linear.bias.as_ref().map(read).transpose());
            let exact = layer.linears.iter().map(|linear| Exact::of(&linear.matrix, on.dtype()));
            Ok::<_, ModelError>(Layer {
                norms: norms(&layer.norms)?,
                exact: exact.collect(),
                linears: matrices.collect::<std::result::Result<_, _>>()?,
                biases: biases.collect::<std::result::Result<_, _>>()?,
                head_norms: layer.head_norms.as_ref().map(norms).transpose()?,
                has_window: config.window_of(n).is_some(),
            })
        });
        let layers = layers.collect::<std::result::Result<_, _>>()?;
        let embedding = read(&found.embedding)?;
        let norm = norm(&found.norm)?;
        Ok(Self { config, on, embedding, layers, norm })
    }

    /// The device that the model runs on.
    pub(crate) fn device(&self) -> &Accelerator {
        &self.on
    }

    /// Puts updates on the device once; they are then added at any scaling. Factors that the last merge had stay there.
    pub(crate) fn upload(&self, updates: Updates<Vec<f32>>) -> Result<Updates<Tensor>> {
        let mut factors = self.on.placing();
        let put = |(id, update): (ModuleId, Update<Vec<f32>>)| {
            let [outputs, inputs] = id.1.shape(&self.config);
            let update = match update {
                Update::LowRank { b, a, rank } => {
                    Update::LowRank { b: factors.put(&b, outputs, rank)?, a: factors.put(&a, rank, inputs)?, rank }
                }
                Update::Dense(values) => Update::Dense(self.on.put(values, (outputs, inputs))?),
            };
            Ok((id, update))
        };
        updates.into_iter().map(put).collect()
    }

    pub(crate) fn patched(&self, updates: &Updates<Tensor>, scaling: f64) -> std::result::Result<Self, ModelError> {
        let mut model = self.clone();
        for ((layer, kind), update) in updates {
            let layer = &mut model.layers[*layer];
            let place = *kind as usize;
            let scaled = match update {
                Update::LowRank { b, a, .. } => self.on.product(&(b * scaling)?, a)?,
                Update::Dense(values) => (values * scaling)?,
            };
            // The matrix of the patched model is no longer that of the file.
            let before = match layer.exact[place].take() {
                Some(exact) => exact.on_device(&self.on)?,
                None => layer.linears[place].clone(),
            };
            layer.linears[place] = (before.to_dtype(DType::F32)? + scaled)?.to_dtype(self.on.dtype())?;
        }
        Ok(model)
    }

    /// The last token's final state of each text, `[texts, width]` in `f32`. They stay on the device.
    pub(crate) fn features(&self, texts: &Texts, watch: &Watch<'_>) -> std::result::Result<Tensor, ModelError> {
        let batches = batches(texts, BUDGET);
        let mut features = Vec::with_capacity(batches.len());
        for batch in &batches {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            features.push(self.forward(&self.place_batch(texts, batch)?)?);
            watch.done(batch.len());
        }
        match self.places(&batches, texts.len())? {
            Some(places) => Ok(Tensor::cat(&features, 0)?.index_select(&places, 0)?),
            None => Ok(Tensor::zeros((0, self.config.width), DType::F32, self.on.device())?),
        }
    }

    /// The same of texts whose ids are on the device: nothing is copied there.
    pub(crate) fn features_of_placed(
        &self,
        placed: &PlacedTexts,
        watch: &Watch<'_>,
    ) -> std::result::Result<Tensor, ModelError> {
        let mut features = Vec::with_capacity(placed.batches.len());
        for batch in &placed.batches {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            features.push(self.forward(batch)?);
            watch.done(batch.batch.texts());
        }
        match &placed.places {
            Some(places) => Ok(Tensor::cat(&features, 0)?.index_select(places, 0)?),
            None => Ok(Tensor::zeros((0, self.config.width), DType::F32, self.on.device())?),
        }
    }

    /// Copies the ids of texts to the device, batch by batch, with what forwards need to know of each batch.
    pub(crate) fn place(&self, texts: &Texts) -> Result<PlacedTexts> {
        let batches = batches(texts, BUDGET);
        let placed = batches.iter().map(|batch| self.place_batch(texts, batch)).collect::<Result<_>>()?;
        Ok(PlacedTexts { batches: placed, places: self.places(&batches, texts.len())? })
    }

    /// Where each text lies among the rows of all batches; `None` without texts.
    fn places(&self, batches: &[Vec<usize>], texts: usize) -> Result<Option<Tensor>> {
        if texts == 0 {
            return Ok(None);
        }
        let mut places = vec![0u32; texts];
        for (place, text) in batches.iter().flatten().enumerate() {
            places[*text] = place as u32;
        }
        self.on.put(places, texts).map(Some)
    }

    fn place_batch(&self, texts: &Texts, batch: &[usize]) -> Result<PlacedBatch> {
        let lengths: Vec<usize> = batch.iter().map(|text| texts.ids(*text).len()).collect();
        Ok(PlacedBatch { ids: self.padded_ids(texts, batch)?, batch: Batch::new(&self.config, &lengths, &self.on)? })
    }

    /// The embeddings of all texts in their order, `[tokens, width]`.
    pub(crate) fn embeddings(&self, texts: &Texts) -> Result<Vec<f32>> {
        let ids: Vec<u32> = (0..texts.len()).flat_map(|text| texts.ids(text)).copied().collect();
        let count = ids.len();
        self.on.take_back(&self.embedding.index_select(&self.on.put(ids, count)?, 0)?)
    }

    /// The embeddings of all texts, batch by batch.
    pub(crate) fn states(&self, texts: &Texts) -> Result<Vec<Step>> {
        batches(texts, BUDGET).iter().map(|batch| self.embedded(texts, batch)).collect()
    }

    /// Runs one layer over all tokens.
    pub(crate) fn run_layer(
        &self,
        layer: usize,
        steps: &mut [Step],
        observation: &mut Observation<'_, ModuleKind>,
        watch: &Watch<'_>,
    ) -> std::result::Result<(), ModelError> {
        for step in steps {
            if watch.is_cancelled() {
                return Err(ModelError::Cancelled);
            }
            let batch = Batch::new(&self.config, &step.lengths, &self.on)?;
            let wants = |kind| observation.wants(kind);
            let mut noted = Noted { wants: &wants, rows: Vec::new() };
            step.x = self.layers[layer].apply(&self.config, &step.x, &batch, false, &mut noted)?;
            for (kind, rows) in noted.rows {
                let rows = rows.flatten_to(D::Minus2)?.index_select(&step.unpadded(&self.on)?, 0)?;
                observation.hand_over(kind, InputRows::Device { rows: &rows, on: &self.on })?;
            }
            watch.done(step.lengths.len());
        }
        Ok(())
    }

    fn embedded(&self, texts: &Texts, batch: &[usize]) -> Result<Step> {
        let lengths = batch.iter().map(|text| texts.ids(*text).len()).collect();
        Ok(Step { lengths, x: self.embed(&self.padded_ids(texts, batch)?)? })
    }

    /// The ids of a batch, `[texts, longest]`.
    fn padded_ids(&self, texts: &Texts, batch: &[usize]) -> Result<Tensor> {
        let longest = batch.iter().map(|text| texts.ids(*text).len()).max().unwrap_or(0);
        // Padding comes after every token that counts, where the causal mask hides it: any token will do.
        let padded = batch.iter().flat_map(|text| {
            let ids = texts.ids(*text);
            ids.iter().copied().chain(std::iter::repeat_n(0, longest - ids.len()))
        });
        self.on.put(padded.collect::<Vec<u32>>(), (batch.len(), longest))
    }

    /// `[texts, longest, width]`
    fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        let (texts, longest) = ids.dims2()?;
        self.embedding.index_select(&ids.flatten_all()?, 0)?.reshape((texts, longest, self.config.width))
    }

    fn forward(&self, PlacedBatch { ids, batch }: &PlacedBatch) -> Result<Tensor> {
        let mut x = self.embed(ids)?;
        for (n, layer) in self.layers.iter().enumerate() {
            x = layer.apply(&self.config, &x, batch, n + 1 == self.layers.len(), &mut ())?;
        }
        let features = self.norm.apply(&x)?.to_dtype(DType::F32)?;
        features.broadcast_add(&overflows(&x)?)?.reshape((batch.texts(), ()))
    }
}
