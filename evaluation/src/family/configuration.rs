use super::{FamilyVisitor, ModelFamily};
use crate::{BlockShape, ModelError, ModelKind, Module};
use jobs::{Precision, TrainFamily};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
};

/// Tokens of the longest text that is planned for, where nothing else is known. What is longer takes more for a moment.
pub const LONGEST_TEXT: usize = 2048;

/// A model as its configuration describes it.
pub trait Configuration: fmt::Debug + Send + Sync {
    /// The kind of the model.
    fn kind(&self) -> ModelKind;

    /// The width of features, and the key of `config.json` that states it.
    fn width(&self) -> (usize, &'static str);

    /// Every linear layer that can take an update, in the model's order.
    fn modules(&self) -> Vec<Module>;

    /// The places whose rows linear layers take, layer by layer.
    fn input_sites(&self) -> Vec<InputSite>;

    /// Checks that the model has a linear layer of that name, which takes updates.
    ///
    /// # Errors
    /// [`ModelError::Module`].
    fn check_module(&self, name: &str) -> Result<(), ModelError>;

    /// The memory that the model takes with updates of the modules in `adapted`; `None` if it is too small to matter.
    ///
    /// # Errors
    /// [`ModelError::Module`] for a name that is no module of the model.
    fn memory(&self, place: Placement, adapted: &[&str]) -> Result<Option<MemoryNeed>, ModelError>;

    /// What a model of images keeps on a device of its own memory, with updates of the modules in `adapted`; `None` if it reads none.
    ///
    /// # Errors
    /// [`ModelError::Module`] for a name that is no module of the model.
    fn image_residency(&self, precision: Precision, adapted: &[&str]) -> Result<Option<ImageResidency>, ModelError>;

    /// How many merges are kept between jobs, laid out for the model: on a device of its own memory as their factors.
    fn kept_merges(&self) -> usize;

    /// What a text may have at most; `None` if the model reads no texts.
    fn text_limits(&self) -> Option<TextLimits>;

    /// Whether heads can be made of class names.
    fn has_text_tower(&self) -> bool;

    /// The models of the paper whose settings of fine-tuning are the defaults.
    fn train_family(&self) -> TrainFamily;

    /// The shapes of its blocks.
    fn blocks(&self) -> BlockShape;

    /// Tokens of every example, if all have the same number.
    fn example_tokens(&self) -> Option<usize>;
}

/// A place in a model whose rows one or more linear layers take, such as queries, keys and values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSite {
    /// The number of the layer, as [`Model::run_layer`](crate::Model::run_layer) counts.
    pub layer: usize,
    /// The modules that take its rows.
    pub modules: Vec<String>,
    /// Numbers of one row.
    pub width: usize,
}

impl InputSite {
    /// The sites of one layer, from the name, the site and the width of each of its modules.
    pub(super) fn of_layer<S: PartialEq>(
        layer: usize,
        modules: impl IntoIterator<Item = (String, S, usize)>,
    ) -> Vec<Self> {
        let mut ids: Vec<S> = Vec::new();
        let mut sites: Vec<Self> = Vec::new();
        for (name, id, width) in modules {
            match ids.iter().position(|known| *known == id) {
                Some(place) => sites[place].modules.push(name),
                None => {
                    ids.push(id);
                    sites.push(Self { layer, modules: vec![name], width });
                }
            }
        }
        sites
    }
}

/// Bytes for each entry `[width, width]` of the Gram matrix of a site: while the layer runs, the whole sum in 64 bits; while
/// it is written, three copies of its lower triangle.
const GRAM_ENTRY_BYTES: u64 = 12;

/// The bytes that the Gram matrices of the inputs of `modules` take while they are made: those of one layer, the largest.
/// Each module of the layer takes `module_entry_bytes` for each of its entries as well, where they are merged at once.
/// What examples are between two layers is not counted.
pub fn gram_memory(sites: &[InputSite], modules: &BTreeSet<String>, module_entry_bytes: u64) -> u64 {
    let mut layers: BTreeMap<usize, u64> = BTreeMap::new();
    for site in sites {
        let adapted = site.modules.iter().filter(|module| modules.contains(*module)).count() as u64;
        if adapted == 0 {
            continue;
        }
        let entry_bytes = GRAM_ENTRY_BYTES.saturating_add(adapted.saturating_mul(module_entry_bytes));
        let bytes = (site.width as u64).saturating_mul(site.width as u64).saturating_mul(entry_bytes);
        let layer = layers.entry(site.layer).or_default();
        *layer = layer.saturating_add(bytes);
    }
    layers.into_values().max().unwrap_or_default()
}

/// Where and how a model is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// True for the processor, false for other devices.
    pub on_host: bool,
    /// The precision it is opened in.
    pub precision: Precision,
    /// Threads of the processor; other devices run one batch at a time.
    pub threads: usize,
    /// Tokens of the longest text.
    pub longest: usize,
}

/// Bytes that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The base model. On the processor what stays in the mapped file counts as well: it is read over and over.
    pub base: u64,
    /// The adapted matrices of one patched model, beside the base.
    pub adapted: u64,
    /// Activations of the batches under way.
    pub activations: u64,
}

impl MemoryNeed {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.base.saturating_add(self.adapted).saturating_add(self.activations)
    }
}

/// Bytes that a model of images keeps on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageResidency {
    /// The base: each matrix as it was read, in `f32`, and in 16 bits beside that where the precision has 16.
    pub base: u64,
    /// The matrices of one patched model that it does not share with the base. Queries, keys and values of a layer are one matrix.
    pub adapted: u64,
    /// The tokens of one image, which every job takes as they are.
    pub tokens: u64,
    /// The pixels of one image, which every job embeds again.
    pub pixels: u64,
}

/// What a model can take of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextLimits {
    /// Number of token ids.
    pub vocabulary: usize,
    /// Longest text, in tokens.
    pub positions: usize,
}

/// Reads the configuration of a model folder, and nothing of its weights.
///
/// # Errors
/// The configuration cannot be read, is of no known kind of model, or has settings that cannot be followed.
pub fn configuration(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
    struct Read<'a>(&'a Path);
    impl FamilyVisitor for Read<'_> {
        type Output = Result<Box<dyn Configuration>, ModelError>;

        fn visit<F: ModelFamily>(self) -> Self::Output {
            F::configuration(self.0)
        }
    }
    ModelKind::of(folder)?.visit(Read(folder))
}

/// Looks at a model folder from outside: its configuration, with which the headers of its weights agree.
///
/// Checks names and shapes of all tensors that evaluation reads, and of a model for images that its image processor
/// makes images of the size that it takes. Of weights no more than headers is read.
///
/// # Errors
/// As [`ModelFamily::open`].
pub fn outline(folder: &Path) -> Result<Box<dyn Configuration>, ModelError> {
    struct Look<'a>(&'a Path);
    impl FamilyVisitor for Look<'_> {
        type Output = Result<Box<dyn Configuration>, ModelError>;

        fn visit<F: ModelFamily>(self) -> Self::Output {
            F::outline(self.0)
        }
    }
    ModelKind::of(folder)?.visit(Look(folder))
}
