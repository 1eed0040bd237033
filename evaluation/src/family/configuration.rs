use super::{FamilyVisitor, ModelFamily};
use crate::{ModelError, ModelKind, Module};
use jobs::Precision;
use std::{fmt, path::Path};

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

    /// What a text may have at most; `None` if the model reads no texts.
    fn text_limits(&self) -> Option<TextLimits>;

    /// Whether heads can be made of class names.
    fn has_text_tower(&self) -> bool;
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
