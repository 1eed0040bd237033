use super::Range;
use crate::recipe::{
    PartWeight, Recipe, RecipeError, RecipeSpec,
    choice::{Choice, read, words_of},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;

/// How a key's value is found in the two forms of a recipe.
#[derive(Debug)]
pub(super) enum Access {
    /// The word that a recipe starts from; a resolved recipe has it no more.
    Preset(Field<String>),
    /// A word.
    Word {
        field: Field<String>,
        place: &'static dyn WordPlace,
        /// The word of a step that is not taken.
        neutral: Option<&'static str>,
    },
    /// A number.
    Number {
        field: Field<f64>,
        place: Place<f64>,
        range: Range,
        /// The number of a step that is not taken.
        neutral: Option<f64>,
    },
    /// A whole number, which recipes hold as one.
    Count {
        field: Field<f64>,
        place: Place<u64>,
        range: Range,
        /// The number of a step that is not taken.
        neutral: Option<f64>,
    },
    /// A number that is that of another key unless it is said.
    Override { field: Field<f64>, place: Place<Option<f64>>, range: Range },
    /// A seed.
    Seed { field: Field<u64>, place: Place<u64> },
    /// The weights of the tasks.
    PerTask { range: Range },
    /// The weights of parts of the tasks' updates: by layer or module.
    PerLayer { range: Range },
}

/// A field of [`RecipeSpec`].
pub(super) struct Field<T: 'static> {
    pub(super) read: fn(&RecipeSpec) -> &Option<T>,
    pub(super) write: fn(&mut RecipeSpec) -> &mut Option<T>,
}

/// A place in [`Recipe`], if the recipe takes the step that it is of.
pub(super) struct Place<T: 'static>(pub(super) fn(&mut Recipe) -> Option<&mut T>);

/// A [`Place`] of some kind of choice.
pub(super) trait WordPlace: fmt::Debug + Sync {
    fn words(&self) -> Vec<&'static str>;
    fn word(&self, recipe: &mut Recipe) -> Option<&'static str>;
    /// Whether there is such a place; the word is in it then.
    fn put(&self, key: &str, word: &str, recipe: &mut Recipe) -> Result<bool, RecipeError>;
}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Field")
    }
}

impl<T> fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

impl<T: Clone> Field<T> {
    pub(super) fn get(&self, spec: &RecipeSpec) -> Option<T> {
        (self.read)(spec).clone()
    }
}

impl<T: Choice> WordPlace for Place<T> {
    fn words(&self) -> Vec<&'static str> {
        words_of::<T>()
    }

    fn word(&self, recipe: &mut Recipe) -> Option<&'static str> {
        (self.0)(recipe).map(|choice| choice.word())
    }

    fn put(&self, key: &str, word: &str, recipe: &mut Recipe) -> Result<bool, RecipeError> {
        let Some(place) = (self.0)(recipe) else { return Ok(false) };
        *place = read(key, word)?;
        Ok(true)
    }
}

impl Access {
    pub(super) fn set(&self, key: &str, spec: &mut RecipeSpec, value: &Value) -> Result<(), RecipeError> {
        match self {
            Self::Preset(field) | Self::Word { field, .. } => {
                *(field.write)(spec) = Some(typed(key, value, "a word")?);
            }
            Self::Number { field, .. } | Self::Count { field, .. } | Self::Override { field, .. } => {
                *(field.write)(spec) = Some(typed(key, value, "a number")?);
            }
            Self::Seed { field, .. } => *(field.write)(spec) = Some(typed(key, value, "a whole number")?),
            Self::PerTask { .. } => match key.split_once('.') {
                Some((_, task)) => {
                    spec.weights.insert(task.to_owned(), typed(key, value, "a number")?);
                }
                None => spec.weights = typed(key, value, "a map from task to number")?,
            },
            Self::PerLayer { .. } => match key.split_once('.') {
                Some((_, rest)) if value.is_number() => {
                    let (task, layer) = task_and_layer(rest).ok_or_else(|| RecipeError::WrongType {
                        key: key.to_owned(),
                        value: value.to_string(),
                        expected: "a map from layer or module to number or list of numbers",
                    })?;
                    let weight = PartWeight::Whole(typed(key, value, "a number")?);
                    spec.layer_weights.entry(task.to_owned()).or_default().insert(layer.to_owned(), weight);
                }
                Some((_, task)) => {
                    let parts = typed(key, value, "a map from layer or module to number or list of numbers")?;
                    spec.layer_weights.insert(task.to_owned(), parts);
                }
                None => {
                    spec.layer_weights =
                        typed(key, value, "a map from task to layer or module to number or list of numbers")?
                }
            },
        }
        Ok(())
    }

    /// The place of a seed in `recipe`, if the key is one and the recipe draws by it.
    pub(super) fn seed<'a>(&self, recipe: &'a mut Recipe) -> Option<&'a mut u64> {
        if let Self::Seed { place, .. } = self { (place.0)(recipe) } else { None }
    }

    /// False if `spec` gives the key a value that has no place in `recipe`.
    pub(super) fn apply(&self, key: &str, spec: &RecipeSpec, recipe: &mut Recipe) -> Result<bool, RecipeError> {
        match self {
            // The recipe has started from it.
            Self::Preset(_) => Ok(true),
            Self::Word { field, place, .. } => match (field.read)(spec) {
                Some(word) => place.put(key, word, recipe),
                None => Ok(true),
            },
            Self::Number { field, place, range, .. } => {
                let Some(value) = (field.read)(spec) else { return Ok(true) };
                let Some(place) = (place.0)(recipe) else { return Ok(false) };
                *place = range.checked(key, *value)?;
                Ok(true)
            }
            Self::Count { field, place, range, .. } => {
                let Some(value) = (field.read)(spec) else { return Ok(true) };
                let Some(place) = (place.0)(recipe) else { return Ok(false) };
                *place = range.checked(key, *value)? as u64;
                Ok(true)
            }
            Self::Override { field, place, range } => {
                let Some(value) = (field.read)(spec) else { return Ok(true) };
                let Some(place) = (place.0)(recipe) else { return Ok(false) };
                *place = Some(range.checked(key, *value)?);
                Ok(true)
            }
            Self::Seed { field, place } => {
                let Some(value) = (field.read)(spec) else { return Ok(true) };
                let Some(place) = (place.0)(recipe) else { return Ok(false) };
                *place = *value;
                Ok(true)
            }
            Self::PerTask { range } => {
                for (task, weight) in &spec.weights {
                    let weight = range.checked(&format!("{key}.{task}"), *weight)?;
                    recipe.weights.insert(task.clone(), weight);
                }
                Ok(true)
            }
            Self::PerLayer { range } => {
                for (task, parts) in &spec.layer_weights {
                    for (part, weight) in parts {
                        for number in weight.numbers() {
                            range.checked(&format!("{key}.{task}.{part}"), *number)?;
                        }
                        recipe.layer_weights.entry(task.clone()).or_default().insert(part.clone(), weight.clone());
                    }
                }
                Ok(true)
            }
        }
    }

    pub(super) fn write(&self, recipe: &mut Recipe, spec: &mut RecipeSpec) {
        match self {
            Self::Preset(field) => *(field.write)(spec) = None,
            Self::Word { field, place, .. } => *(field.write)(spec) = place.word(recipe).map(str::to_owned),
            Self::Number { field, place, .. } => *(field.write)(spec) = (place.0)(recipe).copied(),
            Self::Count { field, place, .. } => {
                *(field.write)(spec) = (place.0)(recipe).map(|count| *count as f64);
            }
            Self::Override { field, place, .. } => *(field.write)(spec) = (place.0)(recipe).copied().flatten(),
            Self::Seed { field, place } => *(field.write)(spec) = (place.0)(recipe).copied(),
            Self::PerTask { .. } => spec.weights = recipe.weights.clone(),
            Self::PerLayer { .. } => spec.layer_weights = recipe.layer_weights.clone(),
        }
    }
}

/// The task and the layer of `<task>.<layer>`. Names of tasks may have dots; a layer is a number.
pub(super) fn task_and_layer(rest: &str) -> Option<(&str, &str)> {
    rest.rsplit_once('.').filter(|(_, layer)| !layer.is_empty() && layer.bytes().all(|digit| digit.is_ascii_digit()))
}

fn typed<T: DeserializeOwned>(key: &str, value: &Value, expected: &'static str) -> Result<T, RecipeError> {
    let wrong = |_| RecipeError::WrongType { key: key.to_owned(), value: value.to_string(), expected };
    serde_json::from_value(value.clone()).map_err(wrong)
}
