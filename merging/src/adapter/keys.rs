//! What the name of a tensor says.

use std::collections::BTreeSet;

/// Modules that PEFT saves whole because they are a task's own head: those of its task types (`score`, `classifier`,
/// `qa_outputs`), and those that go with them in BART, DistilBERT and XLNet.
pub(super) const HEADS: [&str; 6] =
    ["score", "classifier", "qa_outputs", "pre_classifier", "classification_head", "logits_proj"];

/// Segments that `torch.compile`, FSDP (torch's, fairscale's), activation checkpoints and Lightning put into names, at
/// any place.
const WRAPPERS: [&str; 5] =
    ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_fpw_module", "_forward_module"];

/// What data-parallel wrappers (torch's, DeepSpeed's, Opacus') put before all names.
const LEADING: [&str; 2] = ["module", "_module"];

/// What a tensor of an adapter is part of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The module in the model that PEFT wrapped, without wrappers.
    pub(super) module: String,
    pub(super) part: Part,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    LoraA,
    LoraB,
    /// A parameter of the task's own head (`weight`, `bias`).
    Head(String),
    /// The head as the base had it, beside the trained one.
    Original,
    /// A parameter that must be the base's own, such as that of embeddings which PEFT saved along.
    Copy(String),
}

impl Key {
    /// Takes a tensor's name apart. `adapter` is the name that [`adapter_name`] found in the file. The error is the
    /// reason why the tensor cannot be merged.
    pub(super) fn parse(tensor: &str, adapter: Option<&str>) -> Result<Self, &'static str> {
        let segments = plain(tensor);
        let place = |names: &[&str]| segments.iter().position(|segment| names.contains(segment));
        let key = |end: usize, part| Ok(Self { module: segments[..end].join("."), part });
        if let Some(at) = place(&["lora_A", "lora_B"]) {
            let rest = without_name(&segments[at + 1..], adapter);
            return match (segments[at], rest) {
                ("lora_A", ["weight"]) => key(at, Part::LoraA),
                ("lora_B", ["weight"]) => key(at, Part::LoraB),
                (_, ["bias"]) => Err("it is the bias of a LoRA factor (`lora_bias`)"),
                _ => Err("what stands behind `lora_A` or `lora_B` is not known"),
            };
        }
        if place(&["original_module"]).is_some() {
            return key(0, Part::Original);
        }
        if let Some(at) = place(&["modules_to_save"]) {
            let rest = without_name(&segments[at + 1..], adapter);
            let whole = [&segments[..at], rest].concat();
            return Self::of_parameter(&whole);
        }
        if let Some(reason) = reason(&segments) {
            return Err(reason);
        }
        if let Some(at) = place(&["base_layer"]) {
            return Self::of_parameter(&[&segments[..at], &segments[at + 1..]].concat());
        }
        Self::of_parameter(&segments)
    }

    /// A parameter that was saved whole.
    fn of_parameter(segments: &[&str]) -> Result<Self, &'static str> {
        let Some((parameter, module)) = segments.split_last() else { return Err("it has no name") };
        let parameter = (*parameter).to_owned();
        let is_head = module.first().is_some_and(|first| HEADS.contains(first));
        let part = if is_head { Part::Head(parameter) } else { Part::Copy(parameter) };
        Ok(Self { module: module.join("."), part })
    }
}

/// The name of the adapter in a file's keys (`lora_A.digits.weight`), as a plain state dict has it; PEFT's own files
/// leave it out.
///
/// # Errors
/// The keys hold several adapters; their names.
pub(super) fn adapter_name<'a>(tensors: impl Iterator<Item = &'a String>) -> Result<Option<&'a str>, Vec<&'a str>> {
    let name = |tensor: &'a String| {
        let (_, rest) = tensor.split_once(".lora_A.").or_else(|| tensor.split_once(".lora_B."))?;
        let mut rest = rest.split('.').filter(|segment| !WRAPPERS.contains(segment));
        let first = rest.next()?;
        rest.next().map(|_| first)
    };
    let names: BTreeSet<&str> = tensors.filter_map(name).collect();
    let mut each = names.iter().copied();
    match (each.next(), each.next()) {
        (name, None) => Ok(name),
        _ => Err(names.into_iter().collect()),
    }
}

/// The segments of a name without wrappers, and without PEFT's own `base_model.model.`, however often it stands there,
/// and what stands before that (`state_dict.`, `policy.`).
fn plain(tensor: &str) -> Vec<&str> {
    let mut segments: Vec<&str> = tensor.split('.').filter(|segment| !WRAPPERS.contains(segment)).collect();
    if let Some(last) = segments.windows(3).rposition(|three| three[..2] == ["base_model", "model"]) {
        segments.drain(..last + 2);
    }
    while let [first, _, ..] = segments[..]
        && LEADING.contains(&first)
    {
        segments.remove(0);
    }
    segments
}

/// What stands behind the adapter's name, `default` or the one given.
fn without_name<'a, 'b>(rest: &'b [&'a str], adapter: Option<&str>) -> &'b [&'a str] {
    match rest {
        [name, more @ ..] if !more.is_empty() && (*name == "default" || Some(*name) == adapter) => more,
        _ => rest,
    }
}

/// Why tensors of other methods are not merged.
fn reason(segments: &[&str]) -> Option<&'static str> {
    let has = |wanted: &str| segments.iter().any(|segment| segment.contains(wanted));
    let names_other_tool = ["lora_down", "lora_up"].iter().any(|name| segments.contains(name))
        || segments.windows(2).any(|pair| matches!(pair, ["lora", "down" | "up"]));
    Some(if has("lora_magnitude_vector") {
        "it is the magnitude of a DoRA adapter, whose update is not additive"
    } else if has("lora_embedding_") {
        "updates of embeddings are not supported"
    } else if has("trainable_tokens") {
        "trained tokens are not supported"
    } else if names_other_tool || segments.first().is_some_and(|first| first.starts_with("lora_unet_")) {
        "it is named as kohya-ss and diffusers name factors; convert the file to PEFT's names first"
    } else if has("lora_a") || has("lora_b") {
        "PEFT names factors `lora_A` and `lora_B`, so it would not load this one"
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::{Key, Part, adapter_name};

    fn parse(tensor: &str) -> Key {
        Key::parse(tensor, Some("digits")).unwrap()
    }

    #[test]
    fn keys_of_every_writer_mean_the_same() {
        let new = Key { module: "encoder.layers.0.q_proj".to_owned(), part: Part::LoraA };
        for tensor in [
            // PEFT, older dumps of it, and a plain `state_dict()`.
            "base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            "base_model.model.encoder.layers.0.q_proj.lora_A.default.weight",
            "base_model.model.encoder.layers.0.q_proj.lora_A.digits.weight",
            // `transformers` itself.
            "encoder.layers.0.q_proj.lora_A.weight",
            // torch.compile of the whole, of the model in it, of a layer.
            "_orig_mod.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            "base_model.model._orig_mod.encoder.layers.0.q_proj.lora_A.weight",
            "base_model.model.encoder.layers.0._orig_mod.q_proj.lora_A.default.weight",
            // Data parallel, DeepSpeed, both at once.
            "module.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            "base_model.model.module.encoder.layers.0.q_proj.lora_A.weight",
            "module._orig_mod.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            // FSDP and activation checkpoints.
            "base_model.model._fsdp_wrapped_module.encoder.layers.0._fsdp_wrapped_module.q_proj.lora_A.weight",
            "_fsdp_wrapped_module.base_model.model.encoder.layers.0._checkpoint_wrapped_module.q_proj.lora_A.weight",
            "base_model.model.encoder.layers.0.q_proj.lora_A.default._fsdp_wrapped_module.weight",
            // A part of a larger program.
            "model.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            "state_dict.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
            "policy.module.base_model.model.module.encoder.layers.0.q_proj.lora_A.weight",
            // A model that was wrapped twice.
            "base_model.model.base_model.model.encoder.layers.0.q_proj.lora_A.weight",
        ] {
            assert_eq!(parse(tensor), new, "{tensor}");
        }
    }

    #[test]
    fn heads_and_copies_are_told_apart() {
        let head =
            |module: &str, parameter: &str| Key { module: module.to_owned(), part: Part::Head(parameter.to_owned()) };
        assert_eq!(parse("base_model.model.score.modules_to_save.default.weight"), head("score", "weight"));
        assert_eq!(parse("base_model.model.score.modules_to_save.digits.weight"), head("score", "weight"));
        assert_eq!(parse("base_model.model.score.modules_to_save.weight"), head("score", "weight"));
        assert_eq!(parse("base_model.model.classifier.bias"), head("classifier", "bias"));
        assert_eq!(parse("base_model.model.classifier.dense.bias"), head("classifier.dense", "bias"));
        let trained = "base_model.model.classifier.modules_to_save.default.out_proj.weight";
        assert_eq!(parse(trained), head("classifier.out_proj", "weight"));
        assert_eq!(parse("base_model.model.classifier.original_module.dense.weight").part, Part::Original);
        let copy = Key { module: "lm_head".to_owned(), part: Part::Copy("weight".to_owned()) };
        assert_eq!(parse("base_model.model.lm_head.base_layer.weight"), copy);
        assert_eq!(parse("base_model.model.lm_head.weight"), copy);
    }

    #[test]
    fn tensors_of_other_methods_are_told_apart() {
        let reason = |key: &str| Key::parse(key, None).unwrap_err();
        assert!(reason("base_model.model.q_proj.lora_magnitude_vector").contains("DoRA"));
        assert!(reason("base_model.model.q_proj.lora_B.bias").contains("`lora_bias`"));
        assert!(reason("base_model.model.wte.lora_embedding_A").contains("embeddings"));
        assert!(reason("lora_unet_down_blocks_0.lora_down.weight").contains("kohya"));
        assert!(reason("unet.to_q.lora.down.weight").contains("diffusers"));
        assert!(reason("base_model.model.q_proj.lora_A.other.weight").contains("not known"));
    }

    #[test]
    fn one_file_holds_one_adapter() {
        let names = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            adapter_name(keys.iter()).map(|name| name.map(str::to_owned)).map_err(|names| names.join(" "))
        };
        assert_eq!(names(&["q.lora_A.weight", "q.lora_B.weight"]), Ok(None));
        assert_eq!(names(&["q.lora_A.digits.weight", "q.lora_B.digits.weight"]), Ok(Some("digits".to_owned())));
        assert_eq!(names(&["q.lora_A.digits.weight", "q.lora_A.emoji.weight"]), Err("digits emoji".to_owned()));
    }
}
