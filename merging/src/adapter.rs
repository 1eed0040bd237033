mod config;
mod error;
mod keys;
mod pickle;
mod tensors;

pub use error::AdapterError;
pub(crate) use tensors::{decode, encode};

use crate::{BaseHeader, Matrix};
use config::AdapterConfig;
use keys::{Key, Part};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// A LoRA adapter: the low-rank updates of one task to some weights of a base model.
#[derive(Debug, Clone, PartialEq)]
pub struct Adapter {
    /// The task's name.
    pub name: String,
    /// The updates, by the name of the base's module (`vision_model.encoder.layers.0.self_attn.q_proj`).
    pub modules: BTreeMap<String, LoraModule>,
    /// The task's own classifier (`score.weight` or `classifier.weight`), `[classes, hidden]`.
    pub head: Option<Matrix>,
    /// What the adapter's configuration calls its base model.
    pub base_model: Option<String>,
    /// The configuration's list of target modules, where it is a plain list.
    pub target_modules: Option<Vec<String>>,
    /// What PEFT wraps the model as, such as `SEQ_CLS`.
    pub task_type: Option<String>,
    /// Whether the base stores these weights as `[in, out]`, as GPT-2 does.
    pub fan_in_fan_out: bool,
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
    /// Weights come from `adapter_model.safetensors`, or else from `adapter_model.bin`, whose pickle is decoded without
    /// executing anything. `f16` and `bf16` become `f32`. A module is matched to the base weight that bears its
    /// name, with or without the wrappers' prefixes (`base_model.model.`, `vision_model.`); it must be exactly one.
    ///
    /// # Errors
    /// Whatever would make the merge differ from the adapter as PEFT runs it: see [`AdapterError`].
    ///
    /// # Source
    /// PEFT's `LoraConfig`: the scale is α/r, or α/√r with `use_rslora`; `rank_pattern` and `alpha_pattern` hold regular
    /// expressions for the tail of a module's name, the first match counts. r is taken from the tensor.
    pub fn read(name: &str, folder: &Path, base: &BaseHeader) -> Result<Self, AdapterError> {
        Self::read_as(name, folder, base, Numbers::Known)
    }

    /// Reads a folder of which the numbers are not known: names and shapes are checked as [`read`](Self::read) checks them, and an
    /// update of nothing but zeros is taken.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), but for zeros.
    pub fn outline(name: &str, folder: &Path, base: &BaseHeader) -> Result<Self, AdapterError> {
        Self::read_as(name, folder, base, Numbers::Unknown)
    }

    fn read_as(name: &str, folder: &Path, base: &BaseHeader, numbers: Numbers) -> Result<Self, AdapterError> {
        let config = AdapterConfig::read(folder)?;
        let (path, tensors) = tensors::read(folder)?;
        let reader = Reader { path, base, config: &config };
        let (modules, head) = reader.modules(tensors)?;
        if numbers == Numbers::Known && modules.values().all(LoraModule::is_zero) {
            return Err(AdapterError::ZeroUpdate { path: reader.path });
        }
        Ok(Self {
            name: name.to_owned(),
            modules,
            head,
            base_model: config.base_model_name_or_path.clone(),
            target_modules: config.plain_targets(),
            task_type: config.task_type.clone(),
            fan_in_fan_out: config.fan_in_fan_out,
        })
    }
}

/// Whether the numbers in an adapter's file are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Known,
    Unknown,
}

/// The tensors of one module, before they are known to be complete.
#[derive(Default)]
struct Half {
    a: Option<(String, Matrix)>,
    b: Option<(String, Matrix)>,
}

type Modules = BTreeMap<String, LoraModule>;

struct Reader<'a> {
    path: PathBuf,
    base: &'a BaseHeader,
    config: &'a AdapterConfig,
}

impl Reader<'_> {
    fn modules(
        &self,
        tensors: BTreeMap<String, tensors::RawTensor>,
    ) -> Result<(Modules, Option<Matrix>), AdapterError> {
        let mut halves: BTreeMap<String, Half> = BTreeMap::new();
        let mut head = None;
        for (tensor, raw) in tensors {
            let key = Key::parse(&tensor).map_err(|because| self.unexpected(&tensor, because))?;
            let matrix = self.matrix(&tensor, raw)?;
            match key.part {
                Part::LoraA => halves.entry(key.module).or_default().a = Some((tensor, matrix)),
                Part::LoraB => halves.entry(key.module).or_default().b = Some((tensor, matrix)),
                Part::Head if head.is_some() => {
                    return Err(self.unexpected(&tensor, "there is another classifier head"));
                }
                Part::Head => head = Some(matrix),
            }
        }
        let mut modules = Modules::new();
        for (source, half) in halves {
            let (target, module) = self.module(source, half)?;
            let source = module.source.clone();
            if let Some(other) = modules.insert(target.clone(), module) {
                return Err(AdapterError::Twice {
                    path: self.path.clone(),
                    module: source,
                    other: other.source,
                    target,
                });
            }
        }
        Ok((modules, head))
    }

    fn module(&self, source: String, half: Half) -> Result<(String, LoraModule), AdapterError> {
        let missing = |present: &str, from: &str, to: &str| AdapterError::MissingTensor {
            path: self.path.clone(),
            tensor: present.replace(from, to),
            present: present.to_owned(),
        };
        let ((a_name, a), (b_name, b)) = match (half.a, half.b) {
            (Some(a), Some(b)) => (a, b),
            (Some((a, _)), None) => return Err(missing(&a, ".lora_A.", ".lora_B.")),
            (None, Some((b, _))) => return Err(missing(&b, ".lora_B.", ".lora_A.")),
            (None, None) => unreachable!("a half holds at least one tensor"),
        };
        let rank = a.rows();
        if b.cols() != rank {
            let expected = format!("[{}, {rank}], the rank of `{a_name}`", b.rows());
            return Err(self.shape(&b_name, &b, expected));
        }
        let target = keys::find(&source, self.base).map_err(|failure| failure.at(&self.path, &a_name))?;
        let weight = format!("{target}.weight");
        let found = self.base.tensor(&weight).map(|tensor| tensor.shape.clone()).unwrap_or_default();
        let (lora_b, lora_a) = match self.config.fan_in_fan_out {
            true => (a.transposed(), b.transposed()),
            false => (b, a),
        };
        if found != [lora_b.rows(), lora_a.cols()] {
            let update = [lora_b.rows(), lora_a.cols()];
            return Err(AdapterError::OtherBase { path: self.path.clone(), module: source, update, weight, found });
        }
        let scale = self.config.scale(&source, rank)?;
        Ok((target, LoraModule { source, lora_b, lora_a, scale }))
    }

    fn matrix(&self, tensor: &str, raw: tensors::RawTensor) -> Result<Matrix, AdapterError> {
        let [rows, cols] = raw.shape[..] else {
            let (found, expected) = (raw.shape, "two dimensions".to_owned());
            return Err(AdapterError::Shape { path: self.path.clone(), tensor: tensor.to_owned(), found, expected });
        };
        let matrix = Matrix::new(rows, cols, raw.values);
        match matrix.data().iter().find(|value| !value.is_finite()) {
            Some(value) => {
                let (path, tensor) = (self.path.clone(), tensor.to_owned());
                Err(AdapterError::NotFinite { path, tensor, value: *value })
            }
            None => Ok(matrix),
        }
    }

    fn shape(&self, tensor: &str, matrix: &Matrix, expected: String) -> AdapterError {
        let (path, found) = (self.path.clone(), matrix.shape().to_vec());
        AdapterError::Shape { path, tensor: tensor.to_owned(), found, expected }
    }

    fn unexpected(&self, tensor: &str, because: &'static str) -> AdapterError {
        AdapterError::UnexpectedTensor { path: self.path.clone(), tensor: tensor.to_owned(), because }
    }
}
