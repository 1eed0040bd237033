//! The language model: a Llama, or a model of a family like it, as it is used for classifying texts, without its heads.

mod batches;
mod composed;
mod config;
mod family;
mod half;
mod host;
mod memory;
mod module;
mod rope;
mod stored;
mod updates;
mod weights;

pub use config::DecoderConfig;
pub(crate) use family::named as family_of;
pub use family::{Biases, SlidingWindow};
pub use memory::DecoderPlacement;
pub(crate) use module::{ModuleKind, modules, modules_of, name as module_name};
pub(crate) use rope::Rope;
pub use rope::RopeScaling;
pub(crate) use stored::Stored;
pub(crate) use weights::{DecoderWeights, LayerWeights, LinearWeights};

use crate::model::weights::WeightFile;
use crate::{
    Delta, Features, HostBytes, ModelError, Module, Sequences, Texts, TransferCounts, Watch,
    device::Accelerator,
    model::features::{DeviceFeatures, FeatureValues},
    observe::{Observation, Observed},
};
use candle_core::{Device, Tensor};
use composed::ComposedDecoder;
use files::MappedFile;
use half::Half;
use host::HostDecoder;
use jobs::Precision;
use std::{fmt, path::Path, sync::Arc};
use updates::Updates;

/// A Llama, Mistral, Qwen2 or Qwen3 up to its final norm, as in `LlamaForSequenceClassification` and the like.
///
/// The base stays in memory once; a [patched](Self::patched) model shares all of it but the adapted matrices.
///
/// # Numerics
/// On the processor, products are summed in `f32`, and so is all that is between them. With [`Precision::F32`] the weights are those of the
/// file: half-width ones stay mapped and are widened block by block inside the products, and patched matrices are `f32`. With
/// [`Precision::Bf16`] and [`Precision::F16`] weights and patched matrices are rounded to that format, and in `bf16` so are the rows that
/// they multiply; AVX512-BF16, where the processor has it, takes numbers below 2⁻¹²⁶ in magnitude as zero. Texts lie side by side
/// without padding, and the numbers depend neither on the threads of the current rayon pool nor on the other texts.
///
/// On other devices everything is in the model's precision but norms, rotary embedding and softmax, which are `f32`, and
/// texts of like length are padded on the right to the longest among them.
#[derive(Clone)]
pub struct DecoderModel {
    base: Arc<Base>,
    model: Model,
}

/// The most bytes that a placed text takes for each of its tokens, masks included: those of texts up to some 200 tokens.
const MOST_PLACED: u64 = 32;

/// What all models patched from one base share, and are recognised by.
struct Base {
    config: DecoderConfig,
    precision: Precision,
    files: Vec<Arc<WeightFile>>,
}

#[derive(Clone)]
enum Model {
    Host(HostDecoder),
    Composed(ComposedDecoder),
}

/// The updates of a merge, checked for [`DecoderModel::patched`] at any scaling.
///
/// Low-rank updates stay factors; a dense one is held once, on the model's device.
pub struct DecoderDeltas {
    base: Arc<Base>,
    values: DeltaValues,
}

enum DeltaValues {
    Host(Updates<Vec<f32>>),
    Device(Updates<Tensor>),
}

impl DecoderModel {
    /// Opens a Hugging Face folder of such a model: `config.json` and `model.safetensors`, whole or in shards, with or without the
    /// prefix `model.` to its tensors. `lm_head` and `score` are not looked at.
    ///
    /// Every tensor the model needs is looked up and its shape checked.
    ///
    /// # Errors
    /// Names the file, the key or tensor, and what was expected; see [`ModelError`].
    pub fn open(folder: &Path, device: &Device, precision: Precision) -> Result<Self, ModelError> {
        let (config, found) = find(folder)?;
        let files = found.files.clone();
        let model = match device {
            Device::Cpu => Model::Host(HostDecoder::new(config.clone(), found, precision)),
            device => {
                Model::Composed(ComposedDecoder::new(config.clone(), found, Accelerator::new(device, precision))?)
            }
        };
        Ok(Self { base: Arc::new(Base { config, precision, files }), model })
    }

    /// Opens a folder like [`open`](Self::open), but composes the model of candle's operations even on the processor.
    ///
    /// Slower there; it runs what other devices run, so that the two can be compared.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_composed(folder: &Path, device: &Device, precision: Precision) -> Result<Self, ModelError> {
        let (config, found) = find(folder)?;
        let files = found.files.clone();
        let model = Model::Composed(ComposedDecoder::new(config.clone(), found, Accelerator::new(device, precision))?);
        Ok(Self { base: Arc::new(Base { config, precision, files }), model })
    }

    /// The mapped files of the weights, which are read for as long as the model is used: on the processor, half-width
    /// matrices and the embedding are never copied.
    pub fn mapped_files(&self) -> impl Iterator<Item = &MappedFile> {
        self.base.files.iter().map(|file| file.map())
    }

    /// The model's configuration.
    pub fn config(&self) -> &DecoderConfig {
        &self.base.config
    }

    /// The precision in which the model was opened.
    pub fn precision(&self) -> Precision {
        self.base.precision
    }

    /// What went to the device and came back, for all models of this base; `None` where the model runs on plain slices.
    pub fn transfers(&self) -> Option<TransferCounts> {
        match &self.model {
            Model::Host(_) => None,
            Model::Composed(model) => Some(model.device().counts()),
        }
    }

    /// Every linear layer that can take an update, in the model's order.
    pub fn modules(&self) -> Vec<Module> {
        module::modules(&self.base.config)
    }

    /// Takes updates for this base, given as pairs of a [module](Self::modules)'s name and its update.
    ///
    /// # Errors
    /// [`ModelError::Module`]: a module that the model does not have or that comes twice, factors of another shape, values
    /// that are not finite.
    pub fn deltas<'a, S: AsRef<str>>(
        &self,
        updates: impl IntoIterator<Item = (S, Delta<'a>)>,
    ) -> Result<DecoderDeltas, ModelError> {
        let checked = updates::check(&self.base.config, updates)?;
        let values = match &self.model {
            Model::Host(_) => DeltaValues::Host(checked),
            Model::Composed(model) => DeltaValues::Device(model.upload(checked)?),
        };
        Ok(DecoderDeltas { base: Arc::clone(&self.base), values })
    }

    /// Returns a model whose adapted matrices are `W + scaling · Δ`; all others are shared with this one.
    ///
    /// # Numerics
    /// The matrix as the file has it and the update are added in `f32`, one matrix after the other, and rounded once to the model's precision.
    /// On a device, a matrix that the model rounds goes there with its first update, and stays there.
    ///
    /// # Errors
    /// [`ModelError::ForeignUpdates`] if the updates were laid out for another base, or the device fails.
    pub fn patched(&self, deltas: &DecoderDeltas, scaling: f64) -> Result<Self, ModelError> {
        if !Arc::ptr_eq(&self.base, &deltas.base) {
            return Err(ModelError::ForeignUpdates);
        }
        let model = match (&self.model, &deltas.values) {
            (Model::Host(model), DeltaValues::Host(updates)) => Model::Host(model.patched(updates, scaling as f32)),
            (Model::Composed(model), DeltaValues::Device(updates)) => Model::Composed(model.patched(updates, scaling)?),
            (Model::Host(_), DeltaValues::Device(_)) | (Model::Composed(_), DeltaValues::Host(_)) => {
                return Err(ModelError::ForeignUpdates);
            }
        };
        Ok(Self { base: Arc::clone(&self.base), model })
    }

    /// Computes the final normed state of the token that [stands for](DecoderConfig::pooled) each text, in their order:
    /// `[texts, width]`. That is its last token, or, where texts end with the model's padding token, the last before those.
    ///
    /// # Errors
    /// [`ModelError::Text`]: a text is empty, longer than the model's positions, or has a token beyond its vocabulary. Or
    /// the device fails, or the caller cancels.
    pub fn features(&self, texts: &Texts, watch: &Watch<'_>) -> Result<Features, ModelError> {
        batches::check(texts, &self.base.config)?;
        // Under the causal mask no state depends on what follows it: a text ends where it is read.
        let read = texts.up_to(|ids| self.base.config.pooled(ids));
        let values = match &self.model {
            Model::Host(model) => FeatureValues::Host(model.features(&read, watch)?),
            Model::Composed(model) => {
                FeatureValues::Device(DeviceFeatures::new(model.features(&read, watch)?, model.device()))
            }
        };
        Ok(Features::of_texts(values, self.base.config.width, texts.labels()))
    }

    /// Bytes that [`place`](Self::place) takes on the device; 0 where it places nothing: on the plain slices of the processor, which read
    /// texts where they are, and of long texts, whose masks would take many times as much as their ids.
    pub fn placed_bytes(&self, texts: &Texts) -> u64 {
        let read = || texts.up_to(|ids| self.base.config.pooled(ids));
        let bytes = match &self.model {
            Model::Host(_) => 0,
            Model::Composed(_) => composed::PlacedTexts::bytes_of(&read(), &self.base.config),
        };
        if bytes <= MOST_PLACED * texts.tokens() as u64 { bytes } else { 0 }
    }

    /// Copies the ids of texts to the device, where all models of this base find them; `None` where there is nothing to copy, or it takes
    /// more than `budget_bytes`.
    ///
    /// # Errors
    /// [`ModelError::Text`] as [`features`](Self::features), or the device fails.
    pub fn place(&self, texts: &Texts, budget_bytes: u64) -> Result<Option<PlacedTexts>, ModelError> {
        let Model::Composed(model) = &self.model else { return Ok(None) };
        batches::check(texts, &self.base.config)?;
        let bytes = self.placed_bytes(texts);
        if bytes == 0 || bytes > budget_bytes {
            return Ok(None);
        }
        let placed = model.place(&texts.up_to(|ids| self.base.config.pooled(ids)))?;
        Ok(Some(PlacedTexts { base: Arc::clone(&self.base), placed, texts: texts.len(), bytes }))
    }

    /// The same as [`features`](Self::features), of the texts that were placed, for which nothing is copied to the device. They have to be the same.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if another base placed the texts, or another number of them; the device fails, or the caller cancels.
    pub fn features_of_placed(
        &self,
        texts: &Texts,
        placed: &PlacedTexts,
        watch: &Watch<'_>,
    ) -> Result<Features, ModelError> {
        let Model::Composed(model) = &self.model else { return Err(ModelError::ForeignEmbedding) };
        if !Arc::ptr_eq(&self.base, &placed.base) || placed.texts != texts.len() {
            return Err(ModelError::ForeignEmbedding);
        }
        let rows = DeviceFeatures::new(model.features_of_placed(&placed.placed, watch)?, model.device());
        Ok(Features::of_texts(FeatureValues::Device(rows), self.base.config.width, texts.labels()))
    }

    /// The embeddings of texts up to the token that [stands for](DecoderConfig::pooled) each, for
    /// [gradients](crate::GradientTower).
    ///
    /// # Errors
    /// [`ModelError::Text`] as [`features`](Self::features), or the device fails.
    pub fn sequences(&self, texts: &Texts) -> Result<Sequences, ModelError> {
        batches::check(texts, &self.base.config)?;
        let read = texts.up_to(|ids| self.base.config.pooled(ids));
        let states = match &self.model {
            Model::Host(model) => model.embeddings(&read),
            Model::Composed(model) => model.embeddings(&read)?,
        };
        let lengths = (0..read.len()).map(|text| read.ids(text).len());
        Ok(Sequences::new(states, lengths, self.base.config.width))
    }

    /// Tokens of each text in [`sequences`](Self::sequences).
    ///
    /// # Errors
    /// As there.
    pub(crate) fn embedded_tokens(&self, texts: &Texts) -> Result<Vec<usize>, ModelError> {
        batches::check(texts, &self.base.config)?;
        let read = texts.up_to(|ids| self.base.config.pooled(ids));
        Ok((0..read.len()).map(|text| read.ids(text).len()).collect())
    }

    /// What the first layer takes of texts: the embeddings of all their tokens.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn states(&self, texts: &Texts) -> Result<TextStates, ModelError> {
        batches::check(texts, &self.base.config)?;
        let values = match &self.model {
            Model::Host(model) => StateValues::Host(model.states(texts)),
            Model::Composed(model) => StateValues::Device(model.states(texts)?),
        };
        Ok(TextStates { base: Arc::clone(&self.base), values })
    }

    /// Runs one layer over all tokens of all texts, and hands the inputs of its modules to an observer.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if the states are of another base, the device fails, or the caller cancels.
    pub fn run_layer(
        &self,
        layer: usize,
        states: &mut TextStates,
        observed: Option<Observed<'_>>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        if !Arc::ptr_eq(&self.base, &states.base) {
            return Err(ModelError::ForeignEmbedding);
        }
        let mut observation = Observation::new(observed, module::modules_of(&self.base.config, layer));
        match (&self.model, &mut states.values) {
            (Model::Host(model), StateValues::Host(steps)) => model.run_layer(layer, steps, &mut observation, watch),
            (Model::Composed(model), StateValues::Device(steps)) => {
                model.run_layer(layer, steps, &mut observation, watch)
            }
            (Model::Host(_), StateValues::Device(_)) | (Model::Composed(_), StateValues::Host(_)) => {
                Err(ModelError::ForeignEmbedding)
            }
        }
    }

    /// Computes the features of made-up texts, once: whether the device can run this model, and how long it takes. At
    /// least one text of one token is taken, and none longer than the model's positions.
    ///
    /// When it returns, the device has finished.
    ///
    /// # Errors
    /// The device fails, for want of memory for example, or [`ModelError::NotFinite`].
    pub fn try_out(&self, texts: usize, tokens: usize) -> Result<(), ModelError> {
        let tokens = tokens.clamp(1, self.base.config.positions);
        let text = |n: usize| (0..tokens).map(|token| ((n + token) % self.base.config.vocabulary) as u32).collect();
        let texts = Texts::new((0..texts.max(1)).map(|n| (text(n), 0)));
        let features = self.features(&texts, &Watch::default())?;
        if features.is_finite()? { Ok(()) } else { Err(ModelError::NotFinite) }
    }
}

/// The token ids of one split on a device.
pub struct PlacedTexts {
    base: Arc<Base>,
    placed: composed::PlacedTexts,
    texts: usize,
    bytes: u64,
}

impl PlacedTexts {
    /// Bytes that they take there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl fmt::Debug for PlacedTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlacedTexts").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What the texts of one split are between two layers, all tokens of all texts.
#[derive(Clone)]
pub struct TextStates {
    base: Arc<Base>,
    values: StateValues,
}

impl HostBytes for TextStates {
    fn host_bytes(&self) -> u64 {
        match &self.values {
            StateValues::Host(steps) => steps.iter().map(HostBytes::host_bytes).sum(),
            StateValues::Device(steps) => steps.iter().map(HostBytes::host_bytes).sum(),
        }
    }
}

#[derive(Clone)]
enum StateValues {
    Host(Vec<host::Step>),
    Device(Vec<composed::Step>),
}

/// The configuration of a folder whose headers agree with it.
pub(crate) fn outlined(folder: &Path) -> Result<DecoderConfig, ModelError> {
    find(folder).map(|(config, _)| config)
}

fn find(folder: &Path) -> Result<(DecoderConfig, DecoderWeights), ModelError> {
    let config = DecoderConfig::read(&folder.join("config.json"))?;
    let found = DecoderWeights::open(folder, &config)?;
    Ok((config, found))
}

/// The half-width format of a precision, if it is one.
fn half_of(precision: Precision) -> Option<Half> {
    match precision {
        Precision::F32 => None,
        Precision::Bf16 => Some(Half::Bf16),
        Precision::F16 => Some(Half::F16),
    }
}
