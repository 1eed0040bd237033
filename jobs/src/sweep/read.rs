use super::{
    Sweep, SweepError,
    file::SweepFile,
    overrides,
    shape::{recipe_shape_errors, shape_errors},
    synonyms::meant,
    yaml_problem::yaml_problem,
};
use crate::{RecipeSpec, nearest::nearest};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

impl Sweep {
    /// Reads and checks a sweep file.
    ///
    /// Relative references are taken from `folder`, the sweep file's own. `overrides` are `path=value` texts that
    /// change the file before it is read.
    ///
    /// # Errors
    /// Everything that [`SweepError`] names, and a file with variants; nothing is looked up on disk or network.
    pub fn from_yaml(text: &str, folder: &Path, overrides: &[String]) -> Result<Self, SweepError> {
        let mut sweeps = Self::all_from_yaml(text, folder, overrides)?;
        match sweeps.pop() {
            Some(sweep) if sweeps.is_empty() => Ok(sweep),
            _ => Err(SweepError::invalid("variants", "makes several sweeps, and one is read here")),
        }
    }

    /// The same of a file that may have variants: the sweep of each of them, or the one sweep of the file.
    ///
    /// # Errors
    /// As [`from_yaml`](Self::from_yaml), but for variants.
    pub fn all_from_yaml(text: &str, folder: &Path, overrides: &[String]) -> Result<Vec<Self>, SweepError> {
        let mut tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
        if !tree.is_object() {
            return Err(SweepError::Yaml { message: "a sweep file is a map of keys".to_owned() });
        }
        overrides.iter().try_for_each(|text| overrides::apply(&mut tree, text))?;
        match SweepError::of(shape_errors(&tree)) {
            Some(error) => Err(error),
            None => typed::<SweepFile>(tree, "")?.check_all(folder),
        }
    }
}

/// A sweep file's text with `overrides` worked in, as [`Sweep::from_yaml`] works them in: YAML without comments.
///
/// # Errors
/// No YAML, or an override that leads nowhere.
pub fn overridden(text: &str, overrides: &[String]) -> Result<String, SweepError> {
    let mut tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
    overrides.iter().try_for_each(|text| overrides::apply(&mut tree, text))?;
    serde_saphyr::to_string(&tree).map_err(|error| SweepError::Yaml { message: error.to_string() })
}

impl RecipeSpec {
    /// Reads a recipe from YAML (or JSON, which YAML includes), and checks that it describes a merge. It may stand below `recipe:`, as
    /// in a sweep file.
    ///
    /// # Errors
    /// No YAML, an unknown key, a value of the wrong type, and what [`resolve`](Self::resolve) refuses.
    pub fn from_yaml(text: &str) -> Result<Self, SweepError> {
        let mut tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
        if !tree.is_object() {
            return Err(SweepError::Yaml { message: "a recipe is a map of keys".to_owned() });
        }
        // The lines of a sweep file, as a report has them to copy.
        let inner = tree.as_object_mut().filter(|keys| keys.len() == 1).and_then(|keys| keys.remove("recipe"));
        let is_bare = inner.is_none();
        let tree = inner.unwrap_or(tree);
        let named = |error: SweepError| if is_bare { error.without_prefix("recipe.") } else { error };
        if let Some(error) = SweepError::of(recipe_shape_errors(&tree).into_iter().map(named).collect()) {
            return Err(error);
        }
        let spec: Self = typed(tree, "")?;
        spec.resolve().map_err(|source| SweepError::Recipe { path: "recipe".to_owned(), source })?;
        Ok(spec)
    }
}

/// Reads any YAML, or JSON, as sweep files are read: `no`, `on` and `y` are words, not booleans.
///
/// # Errors
/// What is wrong with the text, with line and column.
pub fn yaml_value(text: &str) -> Result<Value, String> {
    yaml(text)
}

/// Reads YAML as version 1.2 means it: `no`, `on` and `y` are words, not booleans.
pub(crate) fn yaml(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| yaml_problem(&error, text))
}

/// A message of the reader without the names of its types.
fn plain(message: &str) -> String {
    let words: Vec<&str> = message.split(' ').collect();
    let mut plain = Vec::with_capacity(words.len());
    let mut i = 0;
    while let Some(word) = words.get(i) {
        let is_type = ["struct", "enum", "variant"].contains(word)
            && words.get(i + 1).is_some_and(|next| next.starts_with(|c: char| c.is_ascii_uppercase()));
        if is_type {
            plain.push(if *word == "struct" { "a map of keys" } else { "one of its words" });
            i += 1;
        } else {
            plain.push(word);
        }
        i += 1;
    }
    plain.join(" ")
}

/// Reads `value`, which stands at `path` in the file, as a `T`; errors carry the whole path.
pub(crate) fn typed<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, SweepError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let inner = join(path, &error.path().to_string());
        let message = error.inner().to_string();
        match unknown_field(&message) {
            Some((key, candidates)) => {
                let path = if inner.ends_with(key) { inner } else { join(&inner, key) };
                let hint = meant(&path, key);
                SweepError::UnknownKey { path, nearest: nearest(key, candidates), hint }
            }
            None => {
                let path = if inner.is_empty() { "sweep".to_owned() } else { inner };
                if let Some(word) = message.strip_prefix("unknown variant ") {
                    return SweepError::invalid(path, format!("is {}", word.replacen(", expected", "; expected", 1)));
                }
                SweepError::Shape { path, message: plain(&message) }
            }
        }
    })
}

fn join(path: &str, tail: &str) -> String {
    match (path, tail) {
        (path, "" | ".") => path.to_owned(),
        ("", tail) => tail.to_owned(),
        (path, tail) if tail.starts_with('[') => format!("{path}{tail}"),
        (path, tail) => format!("{path}.{tail}"),
    }
}

/// Takes serde's standard wording apart: "unknown field `key`, expected one of `a`, `b`".
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((words.next()?, words.collect()))
}
