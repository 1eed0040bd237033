//! The image tower: opened once, patched cheaply, run over embedded images.

pub(crate) mod composed;
mod config;
mod cost;
mod error;
pub(crate) mod features;
pub(crate) mod host;
pub(crate) mod patch;
mod watch;
pub(crate) mod weights;

pub use config::{Activation, ClipConfig, EncoderConfig, TextConfig, VisionConfig};
pub use error::{ModelError, ModuleProblem, TextProblem};
pub use features::Features;
pub use patch::{Delta, Module};
pub use watch::Watch;

use crate::{
    HostBytes, Sequences, StepAugmentation, TransferCounts,
    device::Accelerator,
    images::Images,
    observe::{Observation, Observed},
};
use candle_core::{Device, Tensor};
use composed::{ComposedTower, PixelStep, PlacedUpdates};
use features::{DeviceFeatures, FeatureValues};
use host::{linear::Operands, tower::HostTower};
use jobs::Precision;
use patch::Updates;
use std::{path::Path, sync::Arc};
use weights::Weights;

/// A CLIP image tower with its projection.
///
/// The base stays in memory once; a [patched](Self::patched) model shares all of it but the adapted matrices. In `f32` and `bf16` on the
/// processor the tower runs on plain slices, step by step over the threads of the current rayon pool; steps hold a fixed
/// number of images, so the numbers do not depend on the threads. In `f16`, and on other devices, it is composed of candle's
/// operations.
///
/// # Numerics
/// In `bf16` on the processor, the matrices of blocks and the rows that they multiply are rounded to that format, of the last block for
/// keys and values alone. All else is in `f32`: the sums of products, which run over the inputs in their order, and what becomes of them. AVX512-BF16, where the processor has it,
/// takes numbers below 2⁻¹²⁶ in magnitude as zero; no other number depends on it.
///
/// In `f16`, and in both formats on other devices, all matrices and what they multiply are rounded to that format. Products are summed in
/// `f32` and, but for logits of attention, rounded to the format once their sums are complete; queries, keys and values are rounded again
/// with their biases. Biases, the stream of tokens between blocks, layer norms, activations, logits and softmax of attention, features and
/// scores are in `f32`.
///
/// An update is added to the matrix as it was read, and the sum is rounded once.
#[derive(Clone)]
pub struct ImageModel {
    base: Arc<Base>,
    tower: Tower,
}

/// What all models patched from one base share, and are recognised by.
struct Base {
    config: ClipConfig,
    /// The format of embedded tokens.
    tokens: Precision,
}

impl Base {
    fn embedded_bytes_per_image(&self) -> u64 {
        let vision = &self.config.vision;
        let number = match self.tokens {
            Precision::F32 => size_of::<f32>(),
            Precision::Bf16 | Precision::F16 => size_of::<u16>(),
        };
        (vision.tokens() * vision.encoder.width * number) as u64
    }
}

#[derive(Clone)]
enum Tower {
    Host(HostTower),
    Composed(ComposedTower),
}

/// The updates of a merge, checked and laid out once for [`ImageModel::patched`] at any scaling.
///
/// On plain slices of the processor it holds one dense matrix per adapted matrix; queries, keys and values count as one. Elsewhere it
/// holds the factors, on the model's device.
pub struct Deltas {
    base: Arc<Base>,
    values: DeltaValues,
}

enum DeltaValues {
    Host(Updates),
    Device(PlacedUpdates),
}

/// The configuration of a folder whose headers agree with it, as far as the image tower goes.
pub(crate) fn outlined(folder: &Path) -> Result<ClipConfig, ModelError> {
    let config = ClipConfig::read(&folder.join("config.json"))?;
    Weights::open(folder)?.check_vision(&config)?;
    Ok(config)
}

impl ImageModel {
    /// Opens a Hugging Face `CLIPModel` folder in `f32`: `config.json` and `model.safetensors`, whole or in shards.
    ///
    /// Weights may be of any float type. Every tensor the image tower needs is looked up and its shape checked.
    ///
    /// # Errors
    /// Names the file, the key or tensor, and what was expected; see [`ModelError`].
    pub fn open(folder: &Path, device: &Device) -> Result<Self, ModelError> {
        Self::open_in(folder, device, Precision::F32)
    }

    /// Opens a folder like [`open`](Self::open), in another precision.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(folder: &Path, device: &Device, precision: Precision) -> Result<Self, ModelError> {
        let operands = match (device, precision) {
            (Device::Cpu, Precision::F32) => Operands::F32,
            (Device::Cpu, Precision::Bf16) => Operands::Bf16,
            (Device::Cpu, Precision::F16) | (Device::Cuda(_) | Device::Metal(_), _) => {
                return Self::open_composed(folder, device, precision);
            }
        };
        let config = ClipConfig::read(&folder.join("config.json"))?;
        let read = Weights::open(folder)?.vision(&config)?;
        let tower = Tower::Host(HostTower::new(config, operands, read));
        Ok(Self { base: Arc::new(Base { config, tokens: Precision::F32 }), tower })
    }

    /// Opens a folder like [`open_in`](Self::open_in), but composes the tower of candle's operations even on the processor.
    ///
    /// Slower there; it runs what other devices run, so that the two can be compared.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_composed(folder: &Path, device: &Device, precision: Precision) -> Result<Self, ModelError> {
        let config = ClipConfig::read(&folder.join("config.json"))?;
        let read = Weights::open(folder)?.vision(&config)?;
        let tower = Tower::Composed(ComposedTower::new(config, read, Accelerator::new(device, precision))?);
        Ok(Self { base: Arc::new(Base { config, tokens: precision }), tower })
    }

    /// What went to the device and came back, for all models of this base; `None` where the model runs on plain slices.
    pub fn transfers(&self) -> Option<TransferCounts> {
        match &self.tower {
            Tower::Host(_) => None,
            Tower::Composed(tower) => Some(tower.device().counts()),
        }
    }

    /// The model's configuration.
    pub fn config(&self) -> &ClipConfig {
        &self.base.config
    }

    /// Every linear layer that can take an update, in the model's order.
    pub fn modules(&self) -> Vec<Module> {
        patch::modules(&self.base.config)
    }

    /// Lays out updates for this base, given as pairs of a [module](Self::modules)'s name and its update.
    ///
    /// # Errors
    /// [`ModelError::Module`]: a module that the tower does not have or that comes twice, factors of another shape, values
    /// that are not finite.
    pub fn deltas<'a, S: AsRef<str>>(
        &self,
        updates: impl IntoIterator<Item = (S, Delta<'a>)>,
    ) -> Result<Deltas, ModelError> {
        let arranged = patch::arrange(&self.base.config, updates)?;
        let values = match &self.tower {
            Tower::Host(_) => DeltaValues::Host(patch::multiplied_out(&arranged)),
            Tower::Composed(tower) => DeltaValues::Device(tower.upload(&arranged)?),
        };
        Ok(Deltas { base: Arc::clone(&self.base), values })
    }

    /// Returns a model whose adapted matrices are `W + scaling · Δ`; all others are shared with this one.
    ///
    /// # Numerics
    /// `f32`, then rounded to the model's precision. One pass over each adapted matrix; on a device, and in `f16`, one product of
    /// factors for each module before that. Nothing is copied to the device.
    ///
    /// # Errors
    /// [`ModelError::ForeignUpdates`] if the updates were laid out for another base, or the device fails.
    pub fn patched(&self, deltas: &Deltas, scaling: f64) -> Result<Self, ModelError> {
        if !Arc::ptr_eq(&self.base, &deltas.base) {
            return Err(ModelError::ForeignUpdates);
        }
        let tower = match (&self.tower, &deltas.values) {
            (Tower::Host(tower), DeltaValues::Host(updates)) => Tower::Host(tower.patched(updates, scaling as f32)),
            (Tower::Composed(tower), DeltaValues::Device(updates)) => {
                Tower::Composed(tower.patched(updates, scaling as f32)?)
            }
            (Tower::Host(_), DeltaValues::Device(_)) | (Tower::Composed(_), DeltaValues::Host(_)) => {
                return Err(ModelError::ForeignUpdates);
            }
        };
        Ok(Self { base: Arc::clone(&self.base), tower })
    }

    /// Bytes that [`embed`](Self::embed) holds for one image.
    pub fn embedded_bytes_per_image(&self) -> u64 {
        self.base.embedded_bytes_per_image()
    }

    /// Runs the images through what no update reaches: patch embedding, positions and first layer norm.
    ///
    /// The result serves this model and every model patched from the same base. It holds
    /// [`embedded_bytes_per_image`](Self::embedded_bytes_per_image) for each image on the device if that stays within
    /// `budget_bytes`, and lets go of the images. Else it holds the bytes of the images on a device, if they do, and each forward
    /// embeds them again there; on the plain slices of the processor it keeps the images instead, as it does everywhere if nothing
    /// fits.
    ///
    /// # Errors
    /// The images have another size than the model takes, the device fails, or the caller cancels.
    pub fn embed(&self, images: &Arc<Images>, budget_bytes: u64, watch: &Watch<'_>) -> Result<Embedded, ModelError> {
        let expected = self.base.config.vision.image_size;
        if images.edge() != expected {
            return Err(ModelError::ImageSize { found: images.edge(), expected });
        }
        let fits = |bytes: u64| bytes.saturating_mul(images.len() as u64) <= budget_bytes;
        let tokens = match &self.tower {
            Tower::Host(tower) if fits(self.embedded_bytes_per_image()) => Tokens::Host(tower.embed(images, watch)?),
            Tower::Composed(tower) if fits(self.embedded_bytes_per_image()) => {
                Tokens::Device(tower.embed(images, watch)?)
            }
            Tower::Composed(tower) if fits(self.base.config.pixel_bytes()) => {
                Tokens::Pixels(tower.upload_pixels(images, watch)?)
            }
            Tower::Host(_) | Tower::Composed(_) => Tokens::Images(Arc::clone(images)),
        };
        images.check_unchanged()?;
        let labels = images.labels().into();
        let classes = images.classes().map(Arc::from);
        Ok(Embedded { base: Arc::clone(&self.base), tokens, labels, classes })
    }

    /// Computes the projected features of embedded images, not normalised.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if another base embedded the images, the device fails, or the caller cancels.
    pub fn features(&self, embedded: &Embedded, watch: &Watch<'_>) -> Result<Features, ModelError> {
        if !Arc::ptr_eq(&self.base, &embedded.base) {
            return Err(ModelError::ForeignEmbedding);
        }
        let on_device = |tower: &ComposedTower, rows| FeatureValues::Device(DeviceFeatures::new(rows, tower.device()));
        let values = match (&self.tower, &embedded.tokens) {
            (Tower::Host(tower), Tokens::Host(tokens)) => FeatureValues::Host(tower.features(tokens, watch)?),
            (Tower::Host(tower), Tokens::Images(images)) => FeatureValues::Host(tower.features_of(images, watch)?),
            (Tower::Composed(tower), Tokens::Device(tokens)) => on_device(tower, tower.features(tokens, watch)?),
            (Tower::Composed(tower), Tokens::Pixels(steps)) => {
                on_device(tower, tower.features_of_pixels(steps, watch)?)
            }
            (Tower::Composed(tower), Tokens::Images(images)) => on_device(tower, tower.features_of(images, watch)?),
            (Tower::Host(_), Tokens::Device(_) | Tokens::Pixels(_)) | (Tower::Composed(_), Tokens::Host(_)) => {
                return Err(ModelError::ForeignEmbedding);
            }
        };
        if let Tokens::Images(images) = &embedded.tokens {
            images.check_unchanged()?;
        }
        let width = self.base.config.projection;
        Ok(Features::of_images(values, width, Arc::clone(&embedded.labels), embedded.classes.clone()))
    }

    /// The tokens of embedded images, for [gradients](crate::GradientTower).
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if another base embedded the images, the device fails, or the caller cancels.
    pub fn sequences(&self, embedded: &Embedded, watch: &Watch<'_>) -> Result<Sequences, ModelError> {
        if !Arc::ptr_eq(&self.base, &embedded.base) {
            return Err(ModelError::ForeignEmbedding);
        }
        let states = match (&self.tower, &embedded.tokens) {
            (Tower::Host(_), Tokens::Host(tokens)) => tokens.clone(),
            (Tower::Host(tower), Tokens::Images(images)) => tower.embed(images, watch)?,
            (Tower::Composed(tower), Tokens::Device(tokens)) => tower.flat(tokens)?,
            (Tower::Composed(tower), Tokens::Pixels(steps)) => tower.flat(&tower.embed_pixels(steps, watch)?)?,
            (Tower::Composed(tower), Tokens::Images(images)) => tower.flat(&tower.embed(images, watch)?)?,
            (Tower::Host(_), Tokens::Device(_) | Tokens::Pixels(_)) | (Tower::Composed(_), Tokens::Host(_)) => {
                return Err(ModelError::ForeignEmbedding);
            }
        };
        if let Tokens::Images(images) = &embedded.tokens {
            images.check_unchanged()?;
        }
        let vision = &self.base.config.vision;
        let lengths = std::iter::repeat_n(vision.tokens(), embedded.len());
        Ok(Sequences::new(states, lengths, vision.encoder.width))
    }

    /// The tokens of images at these places among embedded ones, each image changed first as it is asked for. The images must have been
    /// [kept](Self::embed) as they are.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if the images were not kept, or another base embedded them; the device fails.
    pub fn augmented_sequences(
        &self,
        embedded: &Embedded,
        places: &[usize],
        augmentation: StepAugmentation<'_>,
    ) -> Result<Sequences, ModelError> {
        let Tokens::Images(images) = &embedded.tokens else { return Err(ModelError::ForeignEmbedding) };
        let edge = images.edge();
        let changes = places.iter().enumerate().map(|(n, image)| (*image, augmentation.change(n, edge)));
        let changed = Arc::new(images.changed(changes));
        images.check_unchanged()?;
        let quiet = Watch::default();
        self.sequences(&self.embed(&changed, u64::MAX, &quiet)?, &quiet)
    }

    /// The layers that [`run_layer`](Self::run_layer) takes: those of the encoder, and the projection as the last one.
    pub fn layers(&self) -> usize {
        self.base.config.vision.encoder.layers + 1
    }

    /// What the first layer takes of embedded images.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if another base embedded the images, the device fails, or the caller cancels.
    pub fn states(&self, embedded: &Embedded, watch: &Watch<'_>) -> Result<ImageStates, ModelError> {
        if !Arc::ptr_eq(&self.base, &embedded.base) {
            return Err(ModelError::ForeignEmbedding);
        }
        let tokens = match (&self.tower, &embedded.tokens) {
            (Tower::Host(_), Tokens::Host(tokens)) => StateValues::Host(tokens.clone()),
            (Tower::Host(tower), Tokens::Images(images)) => StateValues::Host(tower.embed(images, watch)?),
            (Tower::Composed(_), Tokens::Device(tokens)) => StateValues::Device(tokens.clone()),
            (Tower::Composed(tower), Tokens::Pixels(steps)) => StateValues::Device(tower.embed_pixels(steps, watch)?),
            (Tower::Composed(tower), Tokens::Images(images)) => StateValues::Device(tower.embed(images, watch)?),
            (Tower::Host(_), Tokens::Device(_) | Tokens::Pixels(_)) | (Tower::Composed(_), Tokens::Host(_)) => {
                return Err(ModelError::ForeignEmbedding);
            }
        };
        if let Tokens::Images(images) = &embedded.tokens {
            images.check_unchanged()?;
        }
        Ok(ImageStates { base: Arc::clone(&self.base), tokens })
    }

    /// Runs one of the [layers](Self::layers) over all tokens of all images, and hands the inputs of its modules to an
    /// observer.
    ///
    /// # Errors
    /// [`ModelError::ForeignEmbedding`] if another base embedded the images, the device fails, or the caller cancels.
    pub fn run_layer(
        &self,
        layer: usize,
        states: &mut ImageStates,
        observed: Option<Observed<'_>>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError> {
        if !Arc::ptr_eq(&self.base, &states.base) {
            return Err(ModelError::ForeignEmbedding);
        }
        let is_projection = layer + 1 == self.layers();
        let mut observation = Observation::new(observed, patch::modules_of(&self.base.config, layer));
        match (&self.tower, &mut states.tokens) {
            (_, _) if is_projection && observation.is_empty() => Ok(()),
            (Tower::Host(tower), StateValues::Host(x)) if is_projection => {
                tower.observe_projection(x, &mut observation)
            }
            (Tower::Host(tower), StateValues::Host(x)) => tower.run_layer(layer, x, &mut observation, watch),
            (Tower::Composed(tower), StateValues::Device(steps)) if is_projection => {
                tower.observe_projection(steps, &mut observation)
            }
            (Tower::Composed(tower), StateValues::Device(x)) => tower.run_layer(layer, x, &mut observation, watch),
            (Tower::Host(_), StateValues::Device(_)) | (Tower::Composed(_), StateValues::Host(_)) => {
                Err(ModelError::ForeignEmbedding)
            }
        }
    }

    /// Embeds black images and computes their features, once: whether the device can run this model, and how long it
    /// takes. At least one image is taken.
    ///
    /// When it returns, the device has finished.
    ///
    /// # Errors
    /// The device fails, for want of memory for example, or [`ModelError::NotFinite`].
    pub fn try_out(&self, images: usize) -> Result<(), ModelError> {
        let images = Arc::new(Images::blank(self.base.config.vision.image_size, images.max(1)));
        let features = self.features(&self.embed(&images, u64::MAX, &Watch::default())?, &Watch::default())?;
        if features.is_finite()? { Ok(()) } else { Err(ModelError::NotFinite) }
    }
}

/// What the images of one split are between two layers, all tokens of all images.
#[derive(Clone)]
pub struct ImageStates {
    base: Arc<Base>,
    tokens: StateValues,
}

impl HostBytes for ImageStates {
    fn host_bytes(&self) -> u64 {
        match &self.tokens {
            StateValues::Host(tokens) => size_of_val(tokens.as_slice()) as u64,
            // A tower in 16 bits keeps them there as well. The first layer makes `f32` of the tokens, so that is what counts.
            StateValues::Device(steps) => steps.iter().map(Accelerator::host_bytes).sum(),
        }
    }
}

#[derive(Clone)]
enum StateValues {
    /// `[images, tokens, width]`
    Host(Vec<f32>),
    Device(Vec<Tensor>),
}

/// The images of one split as the encoder's first block takes them, with their labels.
pub struct Embedded {
    base: Arc<Base>,
    tokens: Tokens,
    labels: Arc<[u32]>,
    classes: Option<Arc<[String]>>,
}

enum Tokens {
    Host(Vec<f32>),
    Device(Vec<Tensor>),
    /// Bytes on a device.
    Pixels(Vec<PixelStep>),
    Images(Arc<Images>),
}

impl HostBytes for Embedded {
    fn host_bytes(&self) -> u64 {
        match &self.tokens {
            Tokens::Host(tokens) => size_of_val(tokens.as_slice()) as u64,
            Tokens::Device(steps) => steps.iter().map(Accelerator::host_bytes).sum(),
            Tokens::Pixels(steps) => steps.iter().map(HostBytes::host_bytes).sum(),
            Tokens::Images(images) => images.memory_bytes(),
        }
    }
}

impl Embedded {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The class of each image.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The class names, in the order of the labels, if the data set states them.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// Bytes of the tokens, or of the images on a device, where they are held.
    pub(crate) fn bytes(&self) -> u64 {
        let of_image = match &self.tokens {
            Tokens::Host(_) | Tokens::Device(_) => self.base.embedded_bytes_per_image(),
            Tokens::Pixels(_) => self.base.config.pixel_bytes(),
            Tokens::Images(_) => 0,
        };
        of_image.saturating_mul(self.len() as u64)
    }

    /// Some of the images, by their places. What is held is copied.
    ///
    /// # Errors
    /// The device fails, or the images lie in a file that was changed.
    pub(crate) fn select(&self, places: &[u64]) -> Result<Self, ModelError> {
        let tokens = match &self.tokens {
            Tokens::Host(tokens) => {
                let size = tokens.len() / self.len().max(1);
                let of_image = |place: &u64| &tokens[*place as usize * size..][..size];
                Tokens::Host(places.iter().flat_map(of_image).copied().collect())
            }
            Tokens::Device(steps) => Tokens::Device(composed::select(steps, places)?),
            Tokens::Pixels(steps) => Tokens::Pixels(composed::select_pixels(steps, places)?),
            Tokens::Images(images) => Tokens::Images(Arc::new(images.select(places)?)),
        };
        let labels = places.iter().map(|place| self.labels[*place as usize]).collect();
        Ok(Self { base: Arc::clone(&self.base), tokens, labels, classes: self.classes.clone() })
    }

    /// True if tokens are held, or bytes on a device; false if only the images are.
    pub fn is_held(&self) -> bool {
        !matches!(self.tokens, Tokens::Images(_))
    }
}
