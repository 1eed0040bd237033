//! What the rest needs to know of a family of models, behind one trait.
//!
//! A family is one implementation of [`ModelFamily`] and one arm of [`ModelKind`]. Engines, checks and commands reach it through
//! these and name no family themselves.

mod clip;
mod configuration;
mod decoder;
mod error;
mod examples;

pub use clip::ClipBase;
pub use configuration::{
    Configuration, ImageResidency, InputSite, LONGEST_TEXT, MemoryNeed, Placement, TextLimits, configuration,
    gram_memory, outline,
};
pub use decoder::{DecoderBase, TokenisedSplit};
pub use error::SplitError;
pub use examples::{ExampleCount, ExampleKind, Examples};

use crate::{
    Delta, DeviceChoice, DiskCache, Features, GradientTower, Limits, ModelError, Module, Observed, Sequences,
    TextModel, TrainExamples, TransferCounts, Watch,
};
use files::MappedFile;
use jobs::{DataFiles, DataSpec, Digest, Precision, Rows, TrainFamily};
use std::path::Path;

/// A resident base model of a family, with what belongs to it: its image processor, tokenizer or text tower.
pub trait ModelFamily: Sized + Send + Sync + 'static {
    /// The base model, and what updates make of it.
    type Model: Model<Examples = Self::Examples>;
    /// A split of a task as it is read, such as decoded images.
    type Split: Send;
    /// A split as models take it, prepared once for all models of one base.
    type Examples: Examples;

    /// What models of the family are, in words after "the base is".
    const DESCRIPTION: &'static str;
    /// What the family reads.
    const READS: ExampleKind;
    /// The number formats in which it is evaluated. Another one is refused: its numbers would get the ids of others.
    const PRECISIONS: &'static [Precision];
    /// How many merges are kept, laid out for the model.
    const KEPT_MERGES: usize;
    /// How many prepared splits are kept at most, within the budget of memory.
    const KEPT_SPLITS: usize;
    /// Whether heads may come with adapters that they were trained with.
    const TAKES_ADAPTER_HEADS: bool;
    /// Whether a head over the labels of all tasks can score it.
    const HAS_JOINT_BENCHMARK: bool;

    /// Reads the configuration of a folder, and nothing of its weights.
    ///
    /// # Errors
    /// The file cannot be read, or has settings that the family cannot follow.
    fn configuration(folder: &Path) -> Result<Box<dyn Configuration>, ModelError>;

    /// Reads the configuration, and checks the names and shapes of all tensors against it, from headers alone.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn outline(folder: &Path) -> Result<Box<dyn Configuration>, ModelError>;

    /// What a person should know of the files of a folder, though nothing fails on it.
    ///
    /// # Errors
    /// A configuration cannot be read.
    fn notes(folder: &Path) -> Result<Vec<String>, ModelError>;

    /// Opens a base on a device.
    ///
    /// # Errors
    /// Names the file, the key or tensor, and what was expected.
    fn open(folder: &Path, device: DeviceChoice, precision: Precision) -> Result<Self, ModelError>;

    /// The base model.
    fn model(&self) -> &Self::Model;

    /// The mapped files that are read for as long as the model is used.
    fn mapped_files(&self) -> Vec<&MappedFile> {
        Vec::new()
    }

    /// Reads a split, on the threads of the current rayon pool.
    ///
    /// # Errors
    /// Names the file, row and column; [`SplitError::is_too_large`] where the split does not fit into `limits`.
    fn read(&self, source: &SplitSource<'_>, limits: Limits) -> Result<Self::Split, SplitError>;

    /// What a split that was read takes, and will take once it is prepared.
    fn split_memory(&self, split: &Self::Split) -> SplitMemory;

    /// The classes, by name, of which a split that was read has no example.
    fn absent_classes(_split: &Self::Split) -> Vec<&str> {
        Vec::new()
    }

    /// A digest of what the model sees of each example: two that have the same are the same image or text.
    fn example_digests(split: &Self::Split) -> Vec<Digest>;

    /// The models of the paper whose settings of fine-tuning are the defaults for this base.
    fn train_family(&self) -> TrainFamily;

    /// Runs a split through what no update reaches, and holds it within `budget_bytes` if it can be.
    ///
    /// # Errors
    /// The model does not take such examples, the device fails, or the caller cancels.
    fn prepare(&self, split: Self::Split, budget_bytes: u64, watch: &Watch<'_>) -> Result<Self::Examples, ModelError>;

    /// Places examples on the device that were [prepared](Self::prepare) without room for them there, within `budget_bytes`. What has its
    /// place, or has none there at any time, stays as it is.
    ///
    /// # Errors
    /// The device fails.
    fn place(&self, _examples: &Self::Examples, _budget_bytes: u64) -> Result<(), ModelError> {
        Ok(())
    }

    /// The base for gradients, read from its files again: every matrix takes four bytes a number, in memory of the processor.
    ///
    /// # Errors
    /// The files cannot be read.
    fn gradient_tower(&self) -> Result<GradientTower<f32>, ModelError>;

    /// Examples as the first block of [that tower](Self::gradient_tower) takes them.
    ///
    /// # Errors
    /// The examples are of another base, the device fails, or the caller cancels.
    fn sequences(&self, examples: &Self::Examples, watch: &Watch<'_>) -> Result<Sequences, ModelError>;

    /// What makes the examples of each step of training, as the first block of [that tower](Self::gradient_tower) takes them. The
    /// examples must have been [prepared](Self::prepare) within a budget of 0, which keeps them as they are.
    ///
    /// # Errors
    /// The model does not take such examples.
    fn train_examples(&self, examples: Self::Examples) -> Result<TrainExamples, ModelError>;

    /// The text tower, of which heads are made from class names; `None` if the family has none.
    ///
    /// # Errors
    /// It cannot be opened.
    fn text_tower(&mut self) -> Result<Option<&TextModel>, ModelError> {
        Ok(None)
    }

    /// Runs the model on made-up examples, once: whether the device can, and how long it takes.
    ///
    /// # Errors
    /// The device fails, or makes numbers that are not finite.
    fn try_out(&self) -> Result<TriedOut, ModelError>;
}

/// A base model, or what updates made of it.
pub trait Model: Clone + Send + Sync + 'static {
    /// The updates of a merge at λ = 1, laid out for the model.
    type Deltas: Send + Sync;
    /// What the model takes.
    type Examples;
    /// What examples are between two layers.
    type States: Clone + Send + HostBytes;

    /// Every linear layer that can take an update, in the model's order.
    fn modules(&self) -> Vec<Module>;

    /// Checks that there is a linear layer of that name.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    fn check_module(&self, name: &str) -> Result<(), ModelError>;

    /// Takes updates for this base, given as pairs of a [module](Self::modules)'s name and its update.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    fn deltas<'a>(&self, updates: impl IntoIterator<Item = (&'a str, Delta<'a>)>) -> Result<Self::Deltas, ModelError>;

    /// Returns the model whose adapted matrices are `W + scaling · Δ`, and which shares all others with this one.
    ///
    /// # Errors
    /// The updates are of another base, or the device fails.
    fn patched(&self, deltas: &Self::Deltas, scaling: f64) -> Result<Self, ModelError>;

    /// Computes the features of all examples.
    ///
    /// # Errors
    /// The examples are of another base, the device fails, or the caller cancels.
    fn features(&self, examples: &Self::Examples, watch: &Watch<'_>) -> Result<Features, ModelError>;

    /// What went to the device and came back, for all models of the base; `None` where nothing has to be copied.
    fn transfers(&self) -> Option<TransferCounts>;

    /// The number of layers that [`run_layer`](Self::run_layer) takes. Every module is in one of them.
    fn layers(&self) -> usize;

    /// What the first layer takes of all examples.
    ///
    /// # Errors
    /// The examples are of another base, the device fails, or the caller cancels.
    fn states(&self, examples: &Self::Examples, watch: &Watch<'_>) -> Result<Self::States, ModelError>;

    /// Runs one layer over all tokens of all examples, and hands the inputs of its modules to an observer.
    ///
    /// Run over the layers from 0 on, this is the model up to its final norm, without the short cuts of
    /// [`features`](Self::features). The states may come from layers of another model of the same base.
    ///
    /// # Errors
    /// The states are of another base, the device fails, or the caller cancels.
    fn run_layer(
        &self,
        layer: usize,
        states: &mut Self::States,
        observed: Option<Observed<'_>>,
        watch: &Watch<'_>,
    ) -> Result<(), ModelError>;

    /// What the model is, in words with its sizes.
    fn describe(&self) -> String;
}

/// What takes memory of the processor.
pub trait HostBytes {
    /// The bytes of it that lie in the memory of the processor; 0 for what lies on another device.
    fn host_bytes(&self) -> u64;
}

/// One split of a task: its files, what the sweep file says of them, the rows taken, and where it is kept.
#[derive(Debug, Clone, Copy)]
pub struct SplitSource<'a> {
    /// The files.
    pub files: &'a DataFiles,
    /// Columns and labels.
    pub spec: &'a DataSpec,
    /// The rows taken.
    pub rows: &'a Rows,
    /// What is kept on the disk between runs; `None` keeps nothing.
    pub cache: Option<&'a DiskCache<'a>>,
}

/// Bytes that a split takes, as far as they count against the budget for splits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitMemory {
    /// As it was read.
    pub read_bytes: u64,
    /// Prepared.
    pub prepared_bytes: u64,
}

/// What a model was tried on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TriedOut {
    /// How much of it.
    pub count: usize,
    /// What was counted.
    pub unit: &'static str,
}

/// What is done with a family, whichever it is; see [`ModelKind::visit`](crate::ModelKind::visit).
pub trait FamilyVisitor {
    /// What comes of it.
    type Output;

    /// Does it with `F`.
    fn visit<F: ModelFamily>(self) -> Self::Output;
}
