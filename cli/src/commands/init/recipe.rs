//! The text of a drafted recipe, for bases that are merged and not evaluated.

use super::{
    base::{Base, LookedAdapter},
    comment::{comment, shell_word},
};
use std::path::Path;

/// The file of the schema of recipes, beside the draft.
pub(super) const SCHEMA: &str = "recipe.schema.json";

/// What a recipe is drafted from.
pub(super) struct RecipeDraft<'a> {
    pub(super) base: &'a Base,
    /// What the base's configuration says, which may be empty.
    pub(super) model_type: &'a str,
    pub(super) adapters: &'a [LookedAdapter],
    pub(super) out: &'a Path,
}

impl RecipeDraft<'_> {
    /// The recipe file.
    pub(super) fn text(&self) -> String {
        let Self { base, model_type, adapters, out } = self;
        let mut text = format!("# yaml-language-server: $schema={SCHEMA}\n");
        text.push_str(&comment("", &format!("A draft by `bowline init`. {}", not_evaluated(model_type))));
        text.push_str(&format!("#   bowline merge --base {} \\\n", shell_word(&base.written.text)));
        for adapter in *adapters {
            let named = format!("{}={}", adapter.task, adapter.written.text);
            text.push_str(&format!("#     --adapter {} \\\n", shell_word(&named)));
        }
        text.push_str(&format!("#     --recipe {} --out merged\n", shell_word(&out.to_string_lossy())));
        text.push_str(&comment("", "merged is then a PEFT adapter for the base. The adapters:"));
        for adapter in *adapters {
            text.push_str(&format!("#   {}: {}\n", adapter.task, adapter.summary));
        }
        text.push_str(&knots_ties());
        text
    }
}

/// The usual recipe.
fn knots_ties() -> String {
    let mut text = String::new();
    text.push_str(&comment(
        "",
        "KnOTS-TIES: the updates in a basis that they share, trimmed, signs elected, averaged.",
    ));
    text.push_str("preset: knots_ties\n");
    text.push_str(&comment("", "The share of entries that the trim keeps, in (0, 1]."));
    text.push_str("density: 0.2\n");
    text.push_str(&comment("", "λ, the factor of the merged update: try several values from 0.1 to 1."));
    text.push_str("scaling: 0.6\n");
    text
}

/// Why there is no sweep file, in sentences.
pub(super) fn not_evaluated(model_type: &str) -> String {
    let found = if model_type.is_empty() {
        "the configuration of this base names no `model_type`".to_owned()
    } else {
        format!("the `model_type` of this base is `{model_type}`")
    };
    format!(
        "Sweeps evaluate CLIP models on images, and Llama, Mistral, Qwen2 and Qwen3 as classifiers of texts; {found}. Bowline merges its \
         adapters, and this file is a recipe for `bowline merge`. To search the best merge, give `--data NAME=PATH`: `init` then drafts a \
         sweep whose merges a program of yours evaluates (`evaluation.command`, docs/own-evaluator.md)."
    )
}
