//! Names in memory that differ from those in files.
//!
//! transformers 5 renamed modules of some families and still reads and writes files with the old names. An adapter
//! bears the names in memory, a base those of the file.

use regex::Regex;
use std::sync::LazyLock;

/// Models whose modules were renamed alike.
struct Family {
    /// A part of a name in the file that such models alone have.
    mark: &'static str,
    /// Regular expressions and what they become, one after the other, from a file's name to that in memory.
    rules: &'static [(&'static str, &'static str)],
}

const FAMILIES: [Family; 6] = [
    // ViT, DeiT, BEiT, ViTMAE, ViTMSN, AST, Vivit, IJepa.
    Family {
        mark: "attention.attention.query",
        rules: &[
            (r"\bencoder\.layer\.", "layers."),
            (r"attention\.attention\.query$", "attention.q_proj"),
            (r"attention\.attention\.key$", "attention.k_proj"),
            (r"attention\.attention\.value$", "attention.v_proj"),
            (r"attention\.output\.dense$", "attention.o_proj"),
            (r"intermediate\.dense$", "mlp.fc1"),
            (r"output\.dense$", "mlp.fc2"),
        ],
    },
    // DINOv2, also with registers, and other towers that keep their layers' names.
    Family {
        mark: "attention.attention.query",
        rules: &[
            (r"attention\.attention\.query$", "attention.q_proj"),
            (r"attention\.attention\.key$", "attention.k_proj"),
            (r"attention\.attention\.value$", "attention.v_proj"),
            (r"attention\.output\.dense$", "attention.o_proj"),
        ],
    },
    // Qwen2-VL and Qwen2.5-VL (transformers 4.52 and later).
    Family {
        mark: "visual.",
        rules: &[(r"^model\.(layers|embed_tokens|norm)\b", "model.language_model.$1"), (r"^visual\.", "model.visual.")],
    },
    // LLaVA and its kin (transformers 4.52 and later).
    Family {
        mark: "language_model.model.",
        rules: &[
            (r"^language_model\.model\.", "model.language_model."),
            (r"^language_model\.lm_head$", "lm_head"),
            (r"^(vision_tower|multi_modal_projector|image_newline)\b", "model.$1"),
        ],
    },
    // The same with a CLIP tower, which lost a level of its names in transformers 5.
    Family { mark: "vision_tower.vision_model.", rules: &[(r"^vision_tower\.vision_model\.", "model.vision_tower.")] },
    // Swin and Donut's encoder.
    Family {
        mark: "attention.self.query",
        rules: &[
            (r"attention\.self\.query$", "attention.q_proj"),
            (r"attention\.self\.key$", "attention.k_proj"),
            (r"attention\.self\.value$", "attention.v_proj"),
            (r"attention\.output\.dense$", "attention.o_proj"),
            (r"(\bblocks\.\d+)\.intermediate\.dense$", "$1.mlp.fc1"),
            (r"(\bblocks\.\d+)\.output\.dense$", "$1.mlp.fc2"),
        ],
    },
];

static COMPILED: LazyLock<Vec<Vec<(Regex, &'static str)>>> = LazyLock::new(|| {
    let rule = |(from, to): &(&str, &'static str)| Some((Regex::new(from).ok()?, *to));
    FAMILIES.iter().map(|family| family.rules.iter().filter_map(rule).collect()).collect()
});

/// The numbers of all families of renamed models.
pub(crate) fn families() -> std::ops::Range<usize> {
    0..FAMILIES.len()
}

/// Whether a base with these modules is of a family.
pub(crate) fn has_mark<'a>(family: usize, mut modules: impl Iterator<Item = &'a &'a str>) -> bool {
    FAMILIES.get(family).is_some_and(|family| modules.any(|module| module.contains(family.mark)))
}

/// What a family calls the file's module in memory; `None` if it bears the same name.
pub(crate) fn in_memory(family: usize, module: &str) -> Option<String> {
    let mut name = module.to_owned();
    for (from, to) in COMPILED.get(family)? {
        if from.is_match(&name) {
            name = from.replace(&name, *to).into_owned();
        }
    }
    (name != module).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_a_regular_expression() {
        let compiled: Vec<usize> = COMPILED.iter().map(Vec::len).collect();
        assert_eq!(compiled, FAMILIES.map(|family| family.rules.len()));
    }

    #[test]
    fn modules_have_the_names_that_transformers_5_gives_them() {
        let table = [
            (0, "vit.encoder.layer.0.attention.attention.query", "vit.layers.0.attention.q_proj"),
            (0, "vit.encoder.layer.11.attention.output.dense", "vit.layers.11.attention.o_proj"),
            (0, "encoder.layer.0.intermediate.dense", "layers.0.mlp.fc1"),
            (0, "encoder.layer.0.output.dense", "layers.0.mlp.fc2"),
            (1, "encoder.layer.0.attention.attention.key", "encoder.layer.0.attention.k_proj"),
            (2, "model.layers.3.self_attn.q_proj", "model.language_model.layers.3.self_attn.q_proj"),
            (2, "visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv"),
            (3, "language_model.model.layers.0.mlp.up_proj", "model.language_model.layers.0.mlp.up_proj"),
            (3, "vision_tower.vision_model.encoder.layers.0.q", "model.vision_tower.vision_model.encoder.layers.0.q"),
            (
                4,
                "vision_tower.vision_model.encoder.layers.0.self_attn.q_proj",
                "model.vision_tower.encoder.layers.0.self_attn.q_proj",
            ),
            (5, "swin.encoder.layers.0.blocks.0.attention.self.key", "swin.encoder.layers.0.blocks.0.attention.k_proj"),
        ];
        for (family, file, memory) in table {
            assert_eq!(in_memory(family, file).as_deref(), Some(memory));
        }
        assert_eq!(in_memory(0, "model.layers.0.self_attn.q_proj"), None);
    }
}
