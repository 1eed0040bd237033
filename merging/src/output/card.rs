use crate::MergedUpdate;
use jobs::RecipeSpec;
use std::fmt::Write;

/// What the model card of a merge says beyond the merge itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// The base model's hub id (`owner/name`), where it was merged with one from the hub. Otherwise it is what all
    /// adapters call it; a folder of this machine says nothing to a reader.
    pub base_model: Option<String>,
    /// The revision of that.
    pub revision: Option<String>,
    /// Where each merged adapter came from, in the order of the tasks; may be empty.
    pub adapters: Vec<String>,
    /// Lines that are put below the recipe, such as measured accuracies, in Markdown.
    pub notes: String,
}

impl Card {
    /// The card as `README.md`, with the front matter of the Hugging Face hub.
    pub(super) fn markdown(&self, update: &MergedUpdate, library: &str, relation: &str) -> String {
        let mut text = String::from("---\n");
        let base = self.named_base(update).map(|named| named.base_model);
        // A folder is no hub id: the hub refuses cards with one.
        if let Some(base) = base.filter(|base| is_hub_id(base)) {
            let _ = writeln!(text, "base_model: {base}\nbase_model_relation: {relation}");
        }
        let _ = writeln!(text, "library_name: {library}\ntags:\n- bowline\n- lora\n- merge\n---\n");
        let _ = writeln!(text, "# Merge of {} LoRA adapters\n", update.tasks.len());
        let base = base.map_or_else(|| "a folder that no adapter names".to_owned(), |base| format!("`{base}`"));
        let _ = writeln!(text, "Base model: {base}\n\nMerged adapters:\n");
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
                "\nHeads are not merged: `head-<task>.safetensors` holds that of each task, and the adapter's own is that of \
                 `{first}`."
            );
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "\n{}", self.notes.trim_end());
        }
        text
    }

    /// The base that the card names, or else the one that all adapters name.
    pub(super) fn named_base<'a>(&'a self, update: &'a MergedUpdate) -> Option<NamedBase<'a>> {
        let layout = &update.layout;
        let common = layout.base_model.as_deref();
        let base_model = self.base_model.as_deref().or(common)?;
        let of_adapters = layout.revision.as_deref().filter(|_| common == Some(base_model));
        Some(NamedBase { base_model, revision: self.revision.as_deref().or(of_adapters) })
    }
}

/// A base as others can find it.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedBase<'a> {
    pub(super) base_model: &'a str,
    pub(super) revision: Option<&'a str>,
}

/// Whether a name is that of a repository of the hub.
pub(super) fn is_hub_id(base: &str) -> bool {
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    base.split_once('/').is_some_and(|(owner, name)| word(owner) && word(name) && !owner.starts_with('.'))
}

/// The recipe of an update, with its λ, as `bowline merge --recipe` reads it.
pub(super) fn recipe_json(update: &MergedUpdate) -> String {
    let recipe = RecipeSpec::from(&update.recipe.with_scaling(update.scaling));
    serde_json::to_string_pretty(&recipe).expect("a recipe is plain data with string keys")
}
