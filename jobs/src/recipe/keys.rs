mod access;
mod range;
mod table;

pub use range::Range;

use super::{Combine, PartWeight, Recipe, RecipeError, RecipeSpec, choice::Choice};
use crate::Digest;
use access::Access;
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// A key of recipes. [`RecipeKey::ALL`] is the one list of them: what reads, writes, sets, orders or shows keys goes through it.
///
/// A new key is a row in the table (`keys/table.rs`), a field of [`RecipeSpec`] and a place in [`Recipe`]. Tests
/// hold the table against the fields and against `docs/sweep-file.md`.
#[derive(Debug)]
pub struct RecipeKey {
    name: &'static str,
    belongs_to: BelongsTo,
    stage: Stage,
    /// The place within the stage: what costs more to change comes first.
    order: u8,
    access: Access,
    hint: Option<&'static str>,
}

/// What a key's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// One of some words.
    Word,
    /// A number in a range.
    Number,
    /// A whole number that chooses random numbers; its size means nothing.
    Seed,
    /// A number for each task, which `<key>.<task>` sets as well.
    PerTask,
    /// A number for each layer or module of each task, or a list of numbers; `<key>.<task>` sets those of a task.
    PerLayer,
}

/// The recipes in which a key has a meaning. In others it is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BelongsTo {
    /// All.
    Every,
    /// Those of the space with this word.
    Space(&'static str),
    /// Those that combine by the rule with this word.
    Combine(&'static str),
    /// Those of `gram_merge` whose Gram matrices are of the inputs of modules.
    Inputs,
    /// Those that merge by statistics of the tasks' own models.
    Statistics,
}

/// The earliest stage of a merge that a key changes. Everything before it can be kept when only the key changes,
/// so a later stage is a cheaper one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The key may change every step.
    Whole,
    /// The alignment: decompositions of all updates.
    Alignment,
    /// The calibration of the tasks' updates.
    Calibrate,
    /// The mask of dropped entries.
    Drop,
    /// The thresholds of the trim.
    Trim,
    /// The weights of the tasks.
    Weights,
    /// The election and the combination.
    Combine,
    /// The steps on the merged matrices.
    Post,
    /// The scaling coefficient, in which the merge is linear: nothing is merged again.
    Scaling,
}

/// A key's value as tables show it.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyValue<'a> {
    /// A word, or the map of a [`KeyKind::PerTask`] or [`KeyKind::PerLayer`] as canonical JSON.
    Text(Cow<'a, str>),
    /// A number.
    Number(f64),
    /// A seed.
    Whole(u64),
}

impl KeyValue<'_> {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) | Self::Whole(_) => None,
        }
    }

    /// The number, a seed included.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Text(_) => None,
            Self::Number(number) => Some(*number),
            Self::Whole(whole) => Some(*whole as f64),
        }
    }

    /// The whole number, if it is one.
    pub fn as_whole(&self) -> Option<u64> {
        match self {
            Self::Text(_) | Self::Number(_) => None,
            Self::Whole(whole) => Some(*whole),
        }
    }
}

impl BelongsTo {
    /// Whether `recipe` is one of them.
    pub fn holds(self, recipe: &Recipe) -> bool {
        match self {
            Self::Every => true,
            Self::Space(word) => recipe.space.word() == word,
            Self::Combine(word) => recipe.combine.word() == word,
            Self::Inputs => matches!(recipe.combine, Combine::GramMerge { gram, .. } if gram.is_of_inputs()),
            Self::Statistics => recipe.merges_by_data(),
        }
    }

    /// Why the key has no effect elsewhere, as the rest of a sentence.
    fn because(self) -> String {
        match self {
            Self::Every => "here".to_owned(),
            Self::Space(word) => format!("outside the `{word}` space"),
            Self::Combine(word) => format!("without `combine: {word}`"),
            Self::Inputs => "without `gram: inputs` or `merged_inputs`".to_owned(),
            Self::Statistics => "without `gram: inputs`, `merged_inputs` or `combine: fisher`".to_owned(),
        }
    }
}

impl RecipeKey {
    /// The key of this name, or the one that `name` sets for a task (`weights.mnist`).
    pub fn of(name: &str) -> Option<&'static Self> {
        let (key, task) = name.split_once('.').map_or((name, None), |(key, task)| (key, Some(task)));
        Self::ALL.iter().find(|known| known.name == key && (task.is_none() || known.is_by_task()))
    }

    /// The keys that a resolved recipe has. `preset` is none of them: it only says where a recipe starts.
    pub fn resolved() -> impl Iterator<Item = &'static Self> + Clone {
        Self::ALL.iter().filter(|key| !matches!(key.access, Access::Preset(_)))
    }

    /// Whether `<key>.<task>` sets its value for a task.
    pub fn is_by_task(&self) -> bool {
        matches!(self.kind(), KeyKind::PerTask | KeyKind::PerLayer)
    }

    /// The task of `layer_weights.<task>.<layer>` and of `layer_weights.<task>`; `None` for other names.
    pub fn task_of_layer_weights(name: &str) -> Option<&str> {
        let rest = name.strip_prefix("layer_weights.")?;
        Some(access::task_and_layer(rest).map_or(rest, |(task, _)| task))
    }

    /// The task and the layer of `layer_weights.<task>.<layer>`; `None` for other names.
    pub fn layer_of_weight(name: &str) -> Option<(&str, &str)> {
        access::task_and_layer(name.strip_prefix("layer_weights.")?)
    }

    /// Its name in a recipe.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether its column holds numbers.
    pub fn is_number(&self) -> bool {
        match self.kind() {
            KeyKind::Number | KeyKind::Seed => true,
            KeyKind::Word | KeyKind::PerTask | KeyKind::PerLayer => false,
        }
    }

    /// What its value is.
    pub fn kind(&self) -> KeyKind {
        match self.access {
            Access::Preset(_) | Access::Word { .. } => KeyKind::Word,
            Access::Number { .. } | Access::Count { .. } | Access::Override { .. } => KeyKind::Number,
            Access::Seed { .. } => KeyKind::Seed,
            Access::PerTask { .. } => KeyKind::PerTask,
            Access::PerLayer { .. } => KeyKind::PerLayer,
        }
    }

    /// The seed that `recipe` draws by at this key; `None` if the key is no seed, or the recipe draws nothing by it.
    pub fn seed_of(&self, recipe: &Recipe) -> Option<u64> {
        self.access.seed(&mut recipe.clone()).copied()
    }

    /// The same recipe with another seed at this key, if it draws by it.
    pub fn with_seed(&self, recipe: &Recipe, seed: u64) -> Recipe {
        let mut recipe = recipe.clone();
        if let Some(place) = self.access.seed(&mut recipe) {
            *place = seed;
        }
        recipe
    }

    /// The recipes in which it has a meaning.
    pub fn belongs_to(&self) -> BelongsTo {
        self.belongs_to
    }

    /// The earliest stage of a merge that it changes.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// A grid varies keys in this order, outermost first, so that neighbouring points share what is expensive.
    pub fn cost_order(&self) -> impl Ord + use<> {
        (self.stage, self.order)
    }

    /// The numbers in which it has a meaning, of keys that are numbers.
    pub fn range(&self) -> Option<Range> {
        match self.access {
            Access::Preset(_) | Access::Word { .. } | Access::Seed { .. } => None,
            Access::Number { range, .. } | Access::Count { range, .. } | Access::Override { range, .. } => Some(range),
            Access::PerTask { range } | Access::PerLayer { range } => Some(range),
        }
    }

    /// The words that it knows, of keys that are words.
    pub fn words(&self) -> Vec<&'static str> {
        match &self.access {
            Access::Preset(_) => super::Preset::ALL.map(super::Preset::name).to_vec(),
            Access::Word { place, .. } => place.words(),
            Access::Number { .. }
            | Access::Count { .. }
            | Access::Override { .. }
            | Access::Seed { .. }
            | Access::PerTask { .. }
            | Access::PerLayer { .. } => Vec::new(),
        }
    }

    /// What to tell a person whose value is out of range.
    pub fn hint(&self) -> Option<&'static str> {
        self.hint
    }

    /// The key's value in a recipe that is written out (`RecipeSpec::from(&recipe)`), as tables show it: a step that is not
    /// taken shows the number at which it would do nothing, and no word.
    pub fn shown<'a>(&self, spec: &'a RecipeSpec) -> Option<KeyValue<'a>> {
        match &self.access {
            Access::Preset(_) => None,
            Access::Word { field, neutral, .. } => {
                let word = (field.read)(spec).as_deref().filter(|word| Some(*word) != *neutral);
                word.map(|word| KeyValue::Text(Cow::Borrowed(word)))
            }
            Access::Number { field, neutral, .. } | Access::Count { field, neutral, .. } => {
                field.get(spec).or(*neutral).map(KeyValue::Number)
            }
            Access::Override { field, .. } => field.get(spec).map(KeyValue::Number),
            Access::Seed { field, .. } => field.get(spec).map(KeyValue::Whole),
            Access::PerTask { .. } => {
                (!spec.weights.is_empty()).then(|| KeyValue::Text(Cow::Owned(crate::canonical_json(&spec.weights))))
            }
            Access::PerLayer { .. } => {
                let text = || KeyValue::Text(Cow::Owned(shown_parts(&spec.layer_weights)));
                (!spec.layer_weights.is_empty()).then(text)
            }
        }
    }

    /// Sets the key in `spec` to a value of a sweep file. `name` is its name, or `<key>.<task>`.
    pub(super) fn set(&self, spec: &mut RecipeSpec, name: &str, value: &Value) -> Result<(), RecipeError> {
        self.access.set(name, spec, value)
    }

    /// Adds what `spec` says of the key, if it is a number.
    pub(super) fn add_numbers(&self, spec: &RecipeSpec, numbers: &mut BTreeMap<String, f64>) {
        match &self.access {
            // Weights of layers may be thousands.
            Access::Preset(_) | Access::Word { .. } | Access::PerLayer { .. } => {}
            Access::Number { field, .. } | Access::Count { field, .. } | Access::Override { field, .. } => {
                numbers.extend(field.get(spec).map(|value| (self.name.to_owned(), value)));
            }
            Access::Seed { field, .. } => {
                numbers.extend(field.get(spec).map(|value| (self.name.to_owned(), value as f64)));
            }
            Access::PerTask { .. } => {
                numbers.extend(spec.weights.iter().map(|(task, weight)| (format!("{}.{task}", self.name), *weight)));
            }
        }
    }

    /// Takes what `spec` says of the key into `recipe`.
    pub(super) fn apply(&self, spec: &RecipeSpec, recipe: &mut Recipe) -> Result<(), RecipeError> {
        if self.access.apply(self.name, spec, recipe)? {
            return Ok(());
        }
        Err(RecipeError::NoEffect { key: self.name.to_owned(), because: self.belongs_to.because() })
    }

    /// Writes what `recipe` says of the key into `spec`. `recipe` stays as it is.
    pub(super) fn write(&self, recipe: &mut Recipe, spec: &mut RecipeSpec) {
        self.access.write(recipe, spec);
    }
}

/// Weights of parts as tables show them: as canonical JSON. Those of single directions are thousands, of which their number
/// and a digest are shown.
fn shown_parts(weights: &BTreeMap<String, BTreeMap<String, PartWeight>>) -> String {
    let parts = || weights.values().flat_map(BTreeMap::values);
    if parts().all(|weight| matches!(weight, PartWeight::Whole(_))) {
        return crate::canonical_json(weights);
    }
    let count: usize = parts().map(|weight| weight.numbers().len()).sum();
    format!("{count} numbers ({})", Digest::of_json(weights).short())
}

#[cfg(test)]
mod tests;
