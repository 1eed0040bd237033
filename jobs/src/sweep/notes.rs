use super::Sweep;
use crate::{RecipeSpec, recipe::push_new};
use serde_json::Value;

impl Sweep {
    /// What a person should know of the way in which the recipes are written, each thing once.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for search in &self.searches {
            push_new(&mut notes, search.recipe.notes());
            for parameter in &search.parameters {
                // Only words choose methods and spaces.
                let words = parameter.values.listed().unwrap_or_default().iter().filter(|value| value.is_string());
                words.for_each(|word| push_new(&mut notes, changed(&search.recipe, &parameter.key, word)));
            }
        }
        for baseline in &self.baselines {
            push_new(&mut notes, baseline.recipe.notes());
        }
        push_new(&mut notes, self.presets_without_split());
        notes
    }
}

/// The notes of `recipe` with another value at `key`.
fn changed(recipe: &RecipeSpec, key: &str, value: &Value) -> Vec<String> {
    let mut recipe = recipe.clone();
    match recipe.set(key, value) {
        Ok(()) => recipe.notes(),
        Err(_) => Vec::new(),
    }
}
