mod config;
mod copies;
mod error;
mod keys;
mod layout;
mod matcher;
mod origin;
mod reader;
mod tensors;
mod tower;
mod unmatched;

pub use config::AutoMapping;
pub use error::AdapterError;
pub use origin::{Origin, origin_notes};
pub(crate) use tensors::{decode, encode};

use crate::{BaseHeader, Matrix};
use config::AdapterConfig;
use reader::Reader;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// A LoRA adapter: the low-rank updates of one task to some weights of a base model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adapter {
    /// The task's name.
    pub name: String,
    /// The updates, by the name of the base's module (`vision_model.encoder.layers.0.self_attn.q_proj`).
    pub modules: BTreeMap<String, LoraModule>,
    /// The task's own classifier (`score.weight` or `classifier.weight`), `[classes, hidden]`, if it is one matrix
    /// without a bias.
    pub head: Option<Matrix>,
    /// All tensors of the task's own head, by name (`classifier.dense.bias`). They are never merged.
    pub saved: BTreeMap<String, SavedTensor>,
    /// What the adapter's configuration calls its base model.
    pub base_model: Option<String>,
    /// The revision of that.
    pub revision: Option<String>,
    /// The class that PEFT wrapped, where no task type says it.
    pub auto_mapping: Option<AutoMapping>,
    /// The configuration's list of target modules, where it is a plain list.
    pub target_modules: Option<Vec<String>>,
    /// What PEFT wraps the model as, such as `SEQ_CLS`.
    pub task_type: Option<String>,
    /// Whether its configuration says `fan_in_fan_out`.
    pub says_fan_in_fan_out: bool,
    /// The base's modules whose weight is stored as `[in, out]`, as in GPT-2. Where the configuration says
    /// `fan_in_fan_out`, linear layers are not among them.
    pub fan_in_fan_out: BTreeSet<String>,
}

/// The update ΔW = `scale · lora_b · lora_a` of one base weight, in the layout of that weight.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraModule {
    /// The module's name in the adapter (`encoder.layers.0.self_attn.q_proj`).
    pub source: String,
    /// `[rows of the weight, r]`.
    pub lora_b: Matrix,
    /// `[r, columns of the weight]`.
    pub lora_a: Matrix,
    /// α/r, or α/√r with rank-stabilised LoRA.
    pub scale: f64,
}

/// A tensor that an adapter holds whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedTensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its elements, in the order of rows.
    pub values: Vec<f32>,
}

impl LoraModule {
    /// The rank r of the factors.
    pub fn rank(&self) -> usize {
        self.lora_a.rows()
    }

    /// Whether every rank-one part of the update vanishes.
    fn is_zero(&self) -> bool {
        let b_vanishes =
            |part: usize| (0..self.lora_b.rows()).all(|row| is_zero(self.lora_b.row_block(row..row + 1)[part]));
        let a_vanishes = |part: usize| self.lora_a.row_block(part..part + 1).iter().all(|entry| is_zero(*entry));
        is_zero(self.scale as f32) || (0..self.rank()).all(|part| b_vanishes(part) || a_vanishes(part))
    }
}

fn is_zero(value: f32) -> bool {
    value.to_bits() << 1 == 0
}

impl Adapter {
    /// Reads a PEFT folder and matches every tensor to a weight of `base`.
    ///
    /// Weights come from `adapter_model.safetensors`, or else from `adapter_model.bin`, whose pickle is decoded
    /// without executing anything. `f16` and `bf16` become `f32`. What wrappers (`torch.compile`, data parallel, FSDP)
    /// and the adapter's own name put into keys is left out. A module is matched to the base weight that bears its
    /// name, with or without the prefixes of models around it (`model.`, `vision_model.`); it must be exactly one.
    /// Where both sides of a model have such a weight, the adapter's other modules, its shapes and its `auto_mapping`
    /// decide. The task's own head is kept apart.
    ///
    /// # Errors
    /// Whatever would make the merge differ from the adapter as PEFT runs it: see [`AdapterError`].
    ///
    /// # Source
    /// PEFT's `LoraConfig`: the scale is α/r, or α/√r with `use_rslora`; `rank_pattern` and `alpha_pattern` hold
    /// regular expressions for the tail of a module's name, the first match counts. r is taken from the tensor, and
    /// must be the one that the configuration says, if it says one.
    pub fn read(name: &str, folder: &Path, base: &BaseHeader) -> Result<Self, AdapterError> {
        Self::read_as(name, folder, base, Numbers::Known)
    }

    /// Reads a folder where the numbers in its file, or in the base's files, are not known: names and shapes are
    /// checked as [`read`](Self::read) checks them. An update of nothing but zeros is taken, and so is a saved copy
    /// of a tensor of the base.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), but for what the numbers alone decide.
    pub fn outline(name: &str, folder: &Path, base: &BaseHeader) -> Result<Self, AdapterError> {
        Self::read_as(name, folder, base, Numbers::Unknown)
    }

    fn read_as(name: &str, folder: &Path, base: &BaseHeader, numbers: Numbers) -> Result<Self, AdapterError> {
        let config = AdapterConfig::read(folder)?;
        let (path, tensors) = tensors::read(folder)?;
        let reader = Reader { path, base, config: &config, numbers };
        let parts = reader.parts(tensors)?;
        if !parts.modules.is_empty()
            && parts.modules.values().all(|module| is_zero(module.scale as f32))
            && let Some(error) = config.zero_alpha()
        {
            return Err(error);
        }
        if numbers == Numbers::Known && parts.modules.values().all(LoraModule::is_zero) {
            return Err(AdapterError::ZeroUpdate { path: reader.path });
        }
        Ok(Self {
            name: name.to_owned(),
            modules: parts.modules,
            head: matrix_alone(&parts.saved),
            saved: parts.saved,
            base_model: config.base_model_name_or_path.clone().filter(|base| !base.is_empty()),
            revision: config.revision(),
            auto_mapping: config.auto_mapping(),
            target_modules: config.plain_targets(),
            task_type: config.task_type.clone(),
            says_fan_in_fan_out: config.fan_in_fan_out,
            fan_in_fan_out: parts.fan_in_fan_out,
        })
    }
}

/// The head, if it is one matrix and nothing else.
fn matrix_alone(saved: &BTreeMap<String, SavedTensor>) -> Option<Matrix> {
    let (name, tensor) = saved.first_key_value().filter(|_| saved.len() == 1)?;
    let [classes, width] = tensor.shape[..] else { return None };
    let is_matrix = matches!(name.as_str(), "score.weight" | "classifier.weight");
    is_matrix.then(|| Matrix::new(classes, width, tensor.values.clone()))
}

/// Whether the numbers in the files of an adapter and of its base are their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Known,
    Unknown,
}
