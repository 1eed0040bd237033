mod pattern;
#[cfg(test)]
mod tests;

use super::{AdapterError, keys::HEADS};
use crate::small_file::{CONFIG_BYTES, read_small};
use pattern::Pattern;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The kind of an adapter.
#[derive(Deserialize)]
struct Kind {
    peft_type: String,
}

/// What `adapter_config.json` of a LoRA adapter says, as far as it changes the update.
#[derive(Debug, Deserialize)]
pub(super) struct AdapterConfig {
    #[serde(skip)]
    path: PathBuf,
    /// Looked at before the rest is read; without it here, it would be an unknown key.
    #[serde(rename = "peft_type")]
    _peft_type: String,
    /// A number; looked at when the rest is read, for a message that names it.
    #[serde(default = "eight")]
    lora_alpha: Value,
    #[serde(default)]
    r: Option<f64>,
    #[serde(default)]
    rank_pattern: Option<Pattern>,
    #[serde(default, deserialize_with = "null_is_false")]
    use_rslora: bool,
    #[serde(default, deserialize_with = "null_is_false")]
    pub(super) fan_in_fan_out: bool,
    #[serde(default)]
    alpha_pattern: Option<Pattern>,
    #[serde(default)]
    pub(super) base_model_name_or_path: Option<String>,
    #[serde(default)]
    pub(super) task_type: Option<String>,
    #[serde(default)]
    target_modules: Value,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    bias: Value,
    #[serde(default)]
    init_lora_weights: Value,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// The class of the model that PEFT wrapped, by which `AutoPeftModel` finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoMapping {
    /// The class, such as `CLIPVisionModel`.
    pub base_model_class: String,
    /// The Python module that has it, such as `transformers.models.clip.modeling_clip`.
    pub parent_library: Option<String>,
}

/// PEFT's default α.
fn eight() -> Value {
    Value::from(8)
}

fn null_is_false<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Keys that change nothing about a trained adapter's update, and why.
const WITHOUT_EFFECT: [(&str, &str); 14] = [
    ("auto_mapping", "it names the model's class"),
    ("revision", "it names a version of the base"),
    ("peft_version", "it names the writer"),
    ("inference_mode", "it is for training"),
    ("lora_dropout", "it is for training"),
    ("exclude_modules", "the tensors name the modules that were adapted"),
    ("layers_to_transform", "the tensors name the modules that were adapted"),
    ("layers_pattern", "the tensors name the modules that were adapted"),
    ("megatron_core", "it names a library, which `megatron_config` alone puts to use"),
    ("qalora_group_size", "`use_qalora` alone puts it to use"),
    ("runtime_config", "it says where and how fast something is computed"),
    ("eva_config", "it says how the factors began, and they hold what became of them"),
    ("merge_weights", "it says whether PEFT's first versions merged at once"),
    ("ensure_weight_tying", "it is about tied modules that are saved whole, which are refused"),
];

/// Keys that are refused with a reason of their own; all others with a common one.
const REFUSED: [(&str, &str); 9] = [
    ("use_dora", "the update of DoRA is not additive"),
    ("layer_replication", "layer replication changes the base model"),
    ("lora_bias", "biases of LoRA factors are not supported"),
    ("target_parameters", "LoRA on bare parameters is not supported"),
    ("trainable_token_indices", "trained tokens are not supported"),
    ("loftq_config", "LoftQ initialisation changes the base model"),
    ("corda_config", "CorDA initialisation changes the base model"),
    ("alora_invocation_tokens", "activated LoRA is not a constant update"),
    ("megatron_config", "Megatron layouts are not supported"),
];

/// Initialisations that leave the base weights alone.
const PLAIN_INITS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

impl AdapterConfig {
    pub(super) fn read(folder: &Path) -> Result<Self, AdapterError> {
        let path = folder.join("adapter_config.json");
        let text =
            read_small(&path, CONFIG_BYTES).map_err(|source| AdapterError::Read { path: path.clone(), source })?;
        let invalid = |source| AdapterError::Config { path: path.clone(), source };
        // Other kinds have keys of the same names with values of other types.
        let Kind { peft_type } = serde_json::from_slice(&text).map_err(invalid)?;
        if peft_type != "LORA" {
            let key = "peft_type".to_owned();
            let because = "only LoRA adapters can be merged";
            return Err(AdapterError::Unsupported { path, key, value: peft_type, because });
        }
        let config: Self = serde_json::from_slice(&text).map_err(invalid)?;
        let config = Self { path, ..config };
        config.refuse()?;
        Ok(config)
    }

    fn refuse(&self) -> Result<(), AdapterError> {
        self.alpha()?;
        let patterns = [("alpha_pattern", &self.alpha_pattern), ("rank_pattern", &self.rank_pattern)];
        for (key, pattern) in patterns {
            if let Some(text) = pattern.as_ref().and_then(Pattern::unreadable) {
                let because = "it is not a regular expression that can be read";
                return Err(self.unsupported(key, &Value::String(text.to_owned()), because));
            }
        }
        if truthy(&self.bias) && self.bias != "none" {
            return Err(self.unsupported("bias", &self.bias, "trained biases are not part of a low-rank update"));
        }
        let init = &self.init_lora_weights;
        if let Value::String(name) = init
            && !PLAIN_INITS.contains(&name.to_lowercase().as_str())
        {
            let because = "this initialisation changes the base model; convert the adapter to plain LoRA first";
            return Err(self.unsupported("init_lora_weights", init, because));
        }
        let saved = self.modules_to_save.iter().flatten();
        if let Some(module) = saved.into_iter().find(|module| !HEADS.contains(&module.as_str())) {
            let because = "only a classifier head may be saved whole";
            return Err(self.unsupported("modules_to_save", &Value::String(module.clone()), because));
        }
        for (key, value) in self.rest.iter().filter(|(_, value)| truthy(value)) {
            if !WITHOUT_EFFECT.iter().any(|(without, _)| without == key) {
                let known = REFUSED.iter().find(|(refused, _)| refused == key).map(|(_, because)| *because);
                return Err(self.unsupported(key, value, known.unwrap_or("its effect on the update is not known")));
            }
        }
        Ok(())
    }

    /// The factor on B·A for the module `source` of rank `rank`, which must be the one that the configuration says.
    pub(super) fn scale(&self, source: &str, rank: usize) -> Result<f64, AdapterError> {
        self.check_rank(source, rank)?;
        let own = self.alpha_pattern.as_ref().and_then(|pattern| pattern.first_match(source));
        let (key, value, alpha) = match own {
            Some((pattern, alpha)) => ("alpha_pattern", Value::from(format!("{pattern}: {alpha:e}")), alpha),
            None => ("lora_alpha", self.lora_alpha.clone(), self.alpha()?),
        };
        let rank = rank as f64;
        let scale = if self.use_rslora { alpha / rank.sqrt() } else { alpha / rank };
        // Updates are of this type, and an infinite factor would make them infinite or NaN.
        if !(scale as f32).is_finite() {
            return Err(self.unsupported(key, &value, "α over the rank is more than 32-bit floats hold"));
        }
        Ok(scale)
    }

    /// An error if α is 0, which makes every update zero.
    pub(super) fn zero_alpha(&self) -> Option<AdapterError> {
        let error = || self.unsupported("lora_alpha", &self.lora_alpha, "α is 0, so every update is zero");
        (!truthy(&self.lora_alpha)).then(error)
    }

    fn alpha(&self) -> Result<f64, AdapterError> {
        let because = match &self.lora_alpha {
            Value::Null => "expected a number, found null",
            Value::String(_) => "expected a number, found a string",
            _ => "expected a number",
        };
        self.lora_alpha.as_f64().ok_or_else(|| self.unsupported("lora_alpha", &self.lora_alpha, because))
    }

    /// PEFT makes factors of the rank that the configuration says, and loads no others. A configuration without `r`
    /// says nothing.
    fn check_rank(&self, source: &str, rank: usize) -> Result<(), AdapterError> {
        let own = self.rank_pattern.as_ref().and_then(|pattern| pattern.first_match(source));
        let (key, value, says) = match (own, self.r) {
            (Some((pattern, says)), _) => ("rank_pattern", format!("{pattern}: {says}"), says),
            (None, Some(says)) => ("r", says.to_string(), says),
            (None, None) => return Ok(()),
        };
        if says.total_cmp(&(rank as f64)).is_eq() {
            return Ok(());
        }
        Err(AdapterError::Rank { path: self.path.clone(), key, value, module: source.to_owned(), found: rank })
    }

    /// The target modules, if the configuration simply lists them and picks no layers.
    pub(super) fn plain_targets(&self) -> Option<Vec<String>> {
        let narrowed = ["exclude_modules", "layers_to_transform", "layers_pattern"];
        if narrowed.iter().any(|key| self.rest.get(*key).is_some_and(truthy)) {
            return None;
        }
        let names = self.target_modules.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
        let mut names = names.collect::<Option<Vec<_>>>()?;
        names.sort();
        Some(names)
    }

    /// The class that PEFT wrapped, where no task type says it.
    pub(super) fn auto_mapping(&self) -> Option<AutoMapping> {
        let mapping = self.rest.get("auto_mapping")?;
        let text = |key: &str| mapping[key].as_str().map(str::to_owned);
        Some(AutoMapping { base_model_class: text("base_model_class")?, parent_library: text("parent_library") })
    }

    /// The revision of the base.
    pub(super) fn revision(&self) -> Option<String> {
        let revision = self.rest.get("revision").and_then(Value::as_str);
        revision.filter(|revision| !revision.is_empty()).map(str::to_owned)
    }

    fn unsupported(&self, key: &str, value: &Value, because: &'static str) -> AdapterError {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        AdapterError::Unsupported { path: self.path.clone(), key: key.to_owned(), value, because }
    }
}

/// Python's notion: what an unset option looks like is false.
fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(entries) => !entries.is_empty(),
    }
}
