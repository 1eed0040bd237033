use crate::MergedUpdate;
use jobs::RecipeSpec;
use std::fmt::Write;

/// What the model card of a merge says beyond the merge itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// The base model, as a reader can find it: a hub id (`owner/name`) or a folder.
    pub base_model: String,
    /// Where each merged adapter came from, in the order of the tasks; may be empty.
    pub adapters: Vec<String>,
    /// Lines that are put below the recipe, such as measured accuracies, in Markdown.
    pub notes: String,
}

impl Card {
    /// The card as `README.md`, with the front matter of the Hugging Face hub.
    pub(super) fn markdown(&self, update: &MergedUpdate, library: &str, relation: &str) -> String {
        let mut text = String::from("---\n");
        // A folder is no hub id: the hub refuses cards with one.
        if self.is_hub_id() {
            let _ = writeln!(text, "base_model: {}\nbase_model_relation: {relation}", self.base_model);
        }
        let _ = writeln!(text, "library_name: {library}\ntags:\n- bowline\n- lora\n- merge\n---\n");
        let _ = writeln!(text, "# Merge of {} LoRA adapters\n", update.tasks.len());
        let _ = writeln!(text, "Base model: `{}`\n\nMerged adapters:\n", self.base_model);
        for (index, task) in update.tasks.iter().enumerate() {
            match self.adapters.get(index) {
                Some(source) => writeln!(text, "- `{task}`: `{source}`"),
                None => writeln!(text, "- `{task}`"),
            }
            .unwrap_or_default();
        }
        let _ = writeln!(
            text,
            "\nRecipe (also in `recipe.json`; semantics {}):\n\n```json\n{}\n```",
            update.recipe.semantics,
            recipe_json(update)
        );
        if let Some((first, _)) = update.layout.heads.first() {
            let _ = writeln!(
                text,
                "\nHeads are not merged: `head-<task>.safetensors` holds each task's `score.weight`, and the adapter's own \
                 `score` is that of `{first}`."
            );
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "\n{}", self.notes.trim_end());
        }
        text
    }

    fn is_hub_id(&self) -> bool {
        let word =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        self.base_model
            .split_once('/')
            .is_some_and(|(owner, name)| word(owner) && word(name) && !owner.starts_with('.'))
    }
}

/// The recipe of an update, with its λ, as `bowline merge --recipe` reads it.
pub(super) fn recipe_json(update: &MergedUpdate) -> String {
    let recipe = RecipeSpec::from(&update.recipe.with_scaling(update.scaling));
    serde_json::to_string_pretty(&recipe).expect("a recipe is plain data with string keys")
}
