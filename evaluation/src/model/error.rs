use crate::transient::{may_pass, without_backtrace};
use std::path::PathBuf;

/// Why a model could not be opened, patched or run.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A head was made for features of another width.
    #[error("the head has vectors of {head} numbers, the features have {features}")]
    HeadWidth {
        /// Width of the head.
        head: usize,
        /// Width of the features.
        features: usize,
    },
    /// A file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file is not what it should be.
    #[error("`{}` is not a valid {what}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// Where it breaks.
        #[source]
        source: serde_json::Error,
    },
    /// The folder holds another kind of model.
    #[error("`{}` is no {kind} model: its `model_type` is `{found}`, expected `{expected}`", path.display())]
    ModelType {
        /// The configuration file.
        path: PathBuf,
        /// What the model should be.
        kind: &'static str,
        /// The `model_type` in it, empty if there is none.
        found: String,
        /// The `model_type` of such a model.
        expected: &'static str,
    },
    /// A setting that this crate cannot follow.
    #[error("`{}`: `{key}` is `{found}`, expected {expected}", path.display())]
    Setting {
        /// The configuration file.
        path: PathBuf,
        /// The key, with the parts of the file that it lies in before it.
        key: String,
        /// Its value.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// A mapped file was changed while it was used.
    #[error("a file that the model computes with was changed under way")]
    Changed(#[from] files::FileChanged),
    /// A weight file is damaged, or no safetensors file at all.
    #[error("`{}` is not a readable safetensors file", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The weights are files of `torch.save`, which can be merged into, but not evaluated.
    #[error(
        "`{}` holds pickled weights, and sweeps read safetensors alone: save the model with `save_pretrained` of \
         transformers, or make it with `bowline merge --format full`",
        path.display()
    )]
    Pickled {
        /// The file, or the index of several.
        path: PathBuf,
    },
    /// A weight that the model needs is not there.
    #[error("`{}` has no tensor `{key}`, which `config.json` expects with the shape {expected:?}", path.display())]
    MissingTensor {
        /// The weight file, or the index of several.
        path: PathBuf,
        /// The tensor's name.
        key: String,
        /// The shape the configuration asks for.
        expected: Vec<usize>,
    },
    /// A weight has another shape than the configuration says.
    #[error("tensor `{key}` in `{}` has shape {found:?}, and `config.json` expects {expected:?}", path.display())]
    TensorShape {
        /// The weight file.
        path: PathBuf,
        /// The tensor's name.
        key: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape the configuration asks for.
        expected: Vec<usize>,
    },
    /// A weight is stored in a number format that this crate does not read.
    #[error("tensor `{key}` in `{}` holds {found}, expected F32, BF16 or F16", path.display())]
    TensorType {
        /// The weight file.
        path: PathBuf,
        /// The tensor's name.
        key: String,
        /// The format in the file.
        found: String,
    },
    /// An update names no matrix of the model, or one twice.
    #[error("an update is for `{module}`: {problem}")]
    Module {
        /// The module as given.
        module: String,
        /// What is wrong with it.
        problem: ModuleProblem,
    },
    /// The features or embeddings belong to another model.
    #[error("the images were embedded by another base model")]
    ForeignEmbedding,
    /// The updates were laid out for another model.
    #[error("the updates were laid out for another base model")]
    ForeignUpdates,
    /// The images have another size than the model takes.
    #[error("the images are {found} pixels wide, the model takes {expected}")]
    ImageSize {
        /// Edge of the images.
        found: usize,
        /// Edge the model takes.
        expected: usize,
    },
    /// A text that the model cannot take.
    #[error("text {text} {problem}")]
    Text {
        /// The text, counted from 0.
        text: usize,
        /// What is wrong with it.
        problem: TextProblem,
    },
    /// A model that was tried out gave no numbers.
    #[error("a trial gave features that are not finite")]
    NotFinite,
    /// The tokenizer cannot be read, or refuses a text.
    #[error("tokenizer `{}`: {problem}", path.display())]
    Tokenizer {
        /// The tokenizer file.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// The device failed or is not there.
    #[error("device `{name}` failed")]
    Device {
        /// The device.
        name: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The caller asked to stop.
    #[error("stopped before the end")]
    Cancelled,
}

/// What is wrong with the module that an update names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModuleProblem {
    /// The model has no such linear layer.
    #[error("the {model} has no linear layer of that name (it has `{example}` and the like)")]
    Unknown {
        /// The kind of model.
        model: &'static str,
        /// A name that exists.
        example: String,
    },
    /// It lies in another tower than the one that is evaluated.
    #[error(
        "it lies in the text tower, and sweeps evaluate the image tower; use an adapter of that alone, or `bowline merge`, \
         which merges both"
    )]
    TextTower,
    /// The same matrix came before.
    #[error("it is named twice")]
    Twice,
    /// The numbers do not fill the matrix.
    #[error("{part} holds {found} numbers, expected {expected} for a [{outputs}, {inputs}] matrix")]
    Shape {
        /// `lora_a`, `lora_b` or `update`.
        part: &'static str,
        /// Numbers given.
        found: usize,
        /// Numbers needed.
        expected: usize,
        /// Rows of the adapted matrix.
        outputs: usize,
        /// Columns of the adapted matrix.
        inputs: usize,
    },
    /// The update holds NaN or an infinity.
    #[error("it holds a value that is not finite")]
    NotFinite,
    /// The update is a whole matrix where the factors of an adapter are needed.
    #[error("it is a whole matrix, and coefficients are learned of low-rank factors alone; use a LoRA adapter")]
    Dense,
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// It has no tokens.
    #[error("is empty")]
    Empty,
    /// It has more tokens than the model has positions.
    #[error("has {tokens} tokens, the model takes at most {positions}")]
    TooLong {
        /// Tokens of the text.
        tokens: usize,
        /// The model's `max_position_embeddings`.
        positions: usize,
    },
    /// A token lies beyond the vocabulary.
    #[error("has token {token}, the model's vocabulary ends before {vocabulary}")]
    Token {
        /// The token's id.
        token: u32,
        /// The model's `vocab_size`.
        vocabulary: usize,
    },
}

impl From<candle_core::Error> for ModelError {
    fn from(source: candle_core::Error) -> Self {
        Self::Device { name: "candle".into(), source: Box::new(without_backtrace(source)) }
    }
}

impl ModelError {
    /// True if the same call may succeed later without a person doing anything: an accelerator failed or was out of memory,
    /// or the system was interrupted, too slow, out of memory or out of reach.
    ///
    /// A missing, forbidden or damaged file is never tried again. An accelerator may stay broken: bound the attempts.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Changed(_)) || may_pass(self)
    }
}
