use super::AdapterError;
use crate::BaseHeader;
use std::path::{Path, PathBuf};

/// Names under which a classifier head is saved.
pub(super) const HEADS: [&str; 2] = ["score", "classifier"];

/// Prefixes that wrappers put before a model's own names. What is left must be a full name of the base.
const WRAPPERS: [&str; 4] = ["base_model.", "model.", "module.", "vision_model."];

/// What a tensor of an adapter is part of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) module: String,
    pub(super) part: Part,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    LoraA,
    LoraB,
    Head,
}

impl Key {
    /// Takes a tensor's name apart; the error is the reason why it cannot be merged.
    pub(super) fn parse(tensor: &str) -> Result<Self, &'static str> {
        // Older dumps keep the adapter's name (`default`) and the wrapper of saved modules in the key.
        let plain = tensor.replace(".modules_to_save.", ".").replace(".default.", ".");
        let plain = plain.strip_prefix("base_model.model.").unwrap_or(&plain);
        let key = |module: &str, part| Ok(Self { module: module.to_owned(), part });
        if let Some(module) = plain.strip_suffix(".lora_A.weight") {
            return key(module, Part::LoraA);
        }
        if let Some(module) = plain.strip_suffix(".lora_B.weight") {
            return key(module, Part::LoraB);
        }
        if let Some(module) = plain.strip_suffix(".weight").filter(|module| HEADS.contains(module)) {
            return key(module, Part::Head);
        }
        Err(reason(plain))
    }
}

fn reason(plain: &str) -> &'static str {
    if plain.contains("lora_magnitude_vector") {
        "it is the magnitude of a DoRA adapter, whose update is not additive"
    } else if plain.ends_with(".lora_A.bias") || plain.ends_with(".lora_B.bias") {
        "it is the bias of a LoRA factor (`lora_bias`)"
    } else if plain.contains("lora_embedding_") {
        "updates of embeddings are not supported"
    } else if plain.contains("trainable_tokens") {
        "trained tokens are not supported"
    } else if plain.ends_with(".bias") {
        "it is a trained bias, not a low-rank update"
    } else {
        "it is neither a LoRA factor nor a classifier head"
    }
}

/// Why a module was not matched to exactly one weight.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    None { base: PathBuf },
    Several(Vec<String>),
}

impl Failure {
    pub(super) fn at(self, path: &Path, tensor: &str) -> AdapterError {
        let (path, tensor) = (path.to_owned(), tensor.to_owned());
        match self {
            Self::None { base } => AdapterError::Unmatched { path, tensor, base },
            Self::Several(candidates) => AdapterError::Ambiguous { path, tensor, candidates },
        }
    }
}

/// The base's module that `source` names: an exact name, else a unique suffix, else exact without wrappers.
pub(super) fn find(source: &str, base: &BaseHeader) -> Result<String, Failure> {
    let exists = |module: &str| base.tensor(&format!("{module}.weight")).is_some();
    if exists(source) {
        return Ok(source.to_owned());
    }
    let suffix = format!(".{source}.weight");
    let mut candidates: Vec<_> = base.tensors().keys().filter(|name| name.ends_with(&suffix)).cloned().collect();
    match candidates.len() {
        0 => without_wrappers(source, exists).ok_or_else(|| Failure::None { base: base.folder().to_owned() }),
        1 => {
            let weight = candidates.remove(0);
            Ok(weight.strip_suffix(".weight").unwrap_or(&weight).to_owned())
        }
        _ => Err(Failure::Several(candidates)),
    }
}

fn without_wrappers(source: &str, exists: impl Fn(&str) -> bool) -> Option<String> {
    let mut rest = source;
    while let Some(shorter) = WRAPPERS.iter().find_map(|wrapper| rest.strip_prefix(wrapper)) {
        rest = shorter;
        if exists(rest) {
            return Some(rest.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{Key, Part};

    #[test]
    fn old_dumps_mean_the_same_as_new_ones() {
        let new = Key::parse("base_model.model.layers.0.q_proj.lora_A.weight").unwrap();
        assert_eq!(new, Key::parse("base_model.model.layers.0.q_proj.lora_A.default.weight").unwrap());
        assert_eq!(new, Key { module: "layers.0.q_proj".to_owned(), part: Part::LoraA });
        let head = Key::parse("base_model.model.score.modules_to_save.default.weight").unwrap();
        assert_eq!(head, Key { module: "score".to_owned(), part: Part::Head });
    }

    #[test]
    fn tensors_of_other_methods_are_told_apart() {
        let reason = |key: &str| Key::parse(key).unwrap_err();
        assert!(reason("base_model.model.q_proj.lora_magnitude_vector").contains("DoRA"));
        assert!(reason("base_model.model.q_proj.lora_B.bias").contains("`lora_bias`"));
        assert!(reason("base_model.model.wte.lora_embedding_A").contains("embeddings"));
        assert!(reason("base_model.model.layer_norm.weight").contains("neither"));
    }
}
