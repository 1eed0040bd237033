use super::{
    AdapterError, LoraModule, Numbers, SavedTensor,
    config::AdapterConfig,
    copies::check_copy,
    keys::{Key, Part, adapter_name},
    layout::{MatchedModule, conv1d_layers},
    matcher::{AdapterHints, ModuleMatcher, WantedModule},
    tensors::{NOTHING_SAVED, RawTensor},
};
use crate::{BaseHeader, Matrix};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// What an adapter's tensors are, matched to the base.
pub(super) struct Parts {
    pub(super) modules: BTreeMap<String, LoraModule>,
    /// Those of them whose weight the base stores as `[in, out]`.
    pub(super) fan_in_fan_out: BTreeSet<String>,
    /// The task's own head, by the names of its tensors.
    pub(super) saved: BTreeMap<String, SavedTensor>,
}

/// Reads the tensors of one adapter.
pub(super) struct Reader<'a> {
    pub(super) path: PathBuf,
    pub(super) base: &'a BaseHeader,
    pub(super) config: &'a AdapterConfig,
    pub(super) numbers: Numbers,
}

/// One factor, with the tensor's name.
struct Factor {
    tensor: String,
    matrix: Matrix,
}

/// The tensors of one module, before they are known to be complete.
#[derive(Default)]
struct PartialPair {
    a: Option<Factor>,
    b: Option<Factor>,
}

/// Both factors of one module, `[out, r]` and `[r, in]`.
struct Pair {
    source: String,
    /// The name of `lora_A` in the file.
    tensor: String,
    rank: usize,
    lora_b: Matrix,
    lora_a: Matrix,
}

impl Pair {
    /// The shape of B·A, `[out, in]`.
    fn shape(&self) -> [usize; 2] {
        [self.lora_b.rows(), self.lora_a.cols()]
    }
}

impl Reader<'_> {
    pub(super) fn parts(&self, tensors: BTreeMap<String, RawTensor>) -> Result<Parts, AdapterError> {
        if tensors.is_empty() {
            return Err(AdapterError::NoTensors { path: self.path.clone() });
        }
        let names: Vec<String> = tensors.keys().cloned().collect();
        let adapter = adapter_name(names.iter()).map_err(|names| AdapterError::SeveralAdapters {
            path: self.path.clone(),
            names: names.into_iter().map(str::to_owned).collect(),
        })?;
        let mut halves: BTreeMap<String, PartialPair> = BTreeMap::new();
        let mut saved = BTreeMap::new();
        for (tensor, raw) in tensors {
            let key = Key::parse(&tensor, adapter).map_err(|because| self.unexpected(&tensor, because))?;
            let other = match key.part {
                Part::LoraA => {
                    let matrix = self.factor(&tensor, raw)?;
                    halves.entry(key.module).or_default().a.replace(Factor { tensor: tensor.clone(), matrix })
                }
                Part::LoraB => {
                    let matrix = self.factor(&tensor, raw)?;
                    halves.entry(key.module).or_default().b.replace(Factor { tensor: tensor.clone(), matrix })
                }
                Part::Head(parameter) => {
                    self.keep(&mut saved, format!("{}.{parameter}", key.module), &tensor, raw)?;
                    None
                }
                Part::Original => None,
                Part::Copy(parameter) => {
                    check_copy(self.base, &key.module, &parameter, &raw, self.numbers)
                        .map_err(|because| self.unexpected(&tensor, because))?;
                    None
                }
            };
            if let Some(other) = other {
                return Err(AdapterError::SameKey { path: self.path.clone(), tensor, other: other.tensor });
            }
        }
        let pairs = halves.into_iter().map(|(source, half)| self.pair(source, half)).collect::<Result<Vec<_>, _>>()?;
        let (modules, fan_in_fan_out) = self.matched(pairs)?;
        Ok(Parts { modules, fan_in_fan_out, saved })
    }

    /// Puts a tensor of the head aside. A second head would be another task's.
    fn keep(
        &self,
        saved: &mut BTreeMap<String, SavedTensor>,
        name: String,
        tensor: &str,
        raw: RawTensor,
    ) -> Result<(), AdapterError> {
        if raw.is_empty() {
            return Err(self.unexpected(tensor, format!("it has the shape {:?}: {NOTHING_SAVED}", raw.shape)));
        }
        self.check_finite(tensor, &raw.values)?;
        let is_other = |kept: &String| {
            let roots = [kept.split('.').next(), name.split('.').next()];
            *kept == name
                || roots == [Some("classifier"), Some("score")]
                || roots == [Some("score"), Some("classifier")]
        };
        if saved.keys().any(is_other) {
            return Err(self.unexpected(tensor, "there is another classifier head"));
        }
        saved.insert(name, SavedTensor { shape: raw.shape, values: raw.values });
        Ok(())
    }

    fn pair(&self, source: String, half: PartialPair) -> Result<Pair, AdapterError> {
        let missing = |present: &str, from: &str, to: &str| AdapterError::MissingTensor {
            path: self.path.clone(),
            tensor: present.replace(from, to),
            present: present.to_owned(),
        };
        let (a, b) = match (half.a, half.b) {
            (Some(a), Some(b)) => (a, b),
            (Some(a), None) => return Err(missing(&a.tensor, ".lora_A.", ".lora_B.")),
            (None, Some(b)) => return Err(missing(&b.tensor, ".lora_B.", ".lora_A.")),
            (None, None) => unreachable!("a half holds at least one tensor"),
        };
        let rank = a.matrix.rows();
        if b.matrix.cols() != rank {
            let expected = format!("[{}, {rank}], the rank of `{}`", b.matrix.rows(), a.tensor);
            return Err(self.shape(&b.tensor, b.matrix.shape().to_vec(), expected));
        }
        Ok(Pair { source, tensor: a.tensor, rank, lora_b: b.matrix, lora_a: a.matrix })
    }

    /// The modules by the base's names, and those whose weight the base stores as `[in, out]`.
    fn matched(&self, pairs: Vec<Pair>) -> Result<(BTreeMap<String, LoraModule>, BTreeSet<String>), AdapterError> {
        let targets = self.targets(&pairs)?;
        let fan_in_fan_out = self.conv1d_among(&pairs, &targets);
        let mut modules: BTreeMap<String, LoraModule> = BTreeMap::new();
        for (pair, target) in pairs.into_iter().zip(targets) {
            let scale = self.config.scale(&pair.source, pair.rank)?;
            let (lora_b, lora_a) = if fan_in_fan_out.contains(&target) {
                (pair.lora_a.transposed(), pair.lora_b.transposed())
            } else {
                (pair.lora_b, pair.lora_a)
            };
            let module = LoraModule { source: pair.source, lora_b, lora_a, scale };
            if let Some(other) = modules.get(&target) {
                let path = self.path.clone();
                let other = other.source.clone();
                return Err(AdapterError::Twice { path, module: module.source, other, target });
            }
            modules.insert(target, module);
        }
        Ok((modules, fan_in_fan_out))
    }

    fn conv1d_among(&self, pairs: &[Pair], targets: &[String]) -> BTreeSet<String> {
        if !self.config.fan_in_fan_out {
            return BTreeSet::new();
        }
        let placed = pairs.iter().zip(targets).map(|(pair, target)| MatchedModule { target, update: pair.shape() });
        conv1d_layers(self.base, &placed.collect::<Vec<_>>())
    }

    /// The base's module of each pair.
    fn targets(&self, pairs: &[Pair]) -> Result<Vec<String>, AdapterError> {
        let class = self.config.auto_mapping().map(|mapping| mapping.base_model_class);
        let named_base = self.config.base_model_name_or_path.as_deref().filter(|base| !base.is_empty());
        let hints = AdapterHints { path: &self.path, class: class.as_deref(), base: named_base };
        let wanted = pairs.iter().map(|pair| WantedModule {
            source: &pair.source,
            shape: pair.shape(),
            may_be_conv1d: self.config.fan_in_fan_out,
            tensor: &pair.tensor,
        });
        let wanted: Vec<_> = wanted.collect();
        ModuleMatcher::new(self.base, hints).find(&wanted)
    }

    fn factor(&self, tensor: &str, raw: RawTensor) -> Result<Matrix, AdapterError> {
        if raw.is_empty() {
            return Err(self.shape(tensor, raw.shape, format!("two dimensions that are not 0: {NOTHING_SAVED}")));
        }
        let [rows, cols] = raw.shape[..] else {
            let expected = match raw.shape.len() {
                0 | 1 => "two dimensions",
                _ => "two dimensions: updates of convolutions are not merged",
            };
            return Err(self.shape(tensor, raw.shape, expected.to_owned()));
        };
        self.check_finite(tensor, &raw.values)?;
        Ok(Matrix::new(rows, cols, raw.values))
    }

    fn check_finite(&self, tensor: &str, values: &[f32]) -> Result<(), AdapterError> {
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => {
                let path = self.path.clone();
                let tensor = tensor.to_owned();
                Err(AdapterError::NotFinite { path, tensor, value: *value })
            }
            None => Ok(()),
        }
    }

    fn shape(&self, tensor: &str, found: Vec<usize>, expected: String) -> AdapterError {
        AdapterError::Shape { path: self.path.clone(), tensor: tensor.to_owned(), found, expected }
    }

    fn unexpected(&self, tensor: &str, because: impl Into<String>) -> AdapterError {
        let because = because.into();
        AdapterError::UnexpectedTensor { path: self.path.clone(), tensor: tensor.to_owned(), because }
    }
}
