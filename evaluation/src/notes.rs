//! What a person should know of a model's files, though nothing fails on it.

mod tokenizer;

use crate::{FamilyVisitor, ModelError, ModelFamily, ModelKind, settings};
use std::path::Path;
pub(crate) use tokenizer::notes as tokenizer;

/// Notes on the files of a model folder: keys of configurations that are not known and have no effect, and settings of
/// the tokenizer that `tokenizer.json` does not follow, which alone counts.
///
/// # Errors
/// A configuration cannot be read, or is of no known kind of model.
pub fn notes(folder: &Path) -> Result<Vec<String>, ModelError> {
    struct Notes<'a>(&'a Path);
    impl FamilyVisitor for Notes<'_> {
        type Output = Result<Vec<String>, ModelError>;

        fn visit<F: ModelFamily>(self) -> Self::Output {
            F::notes(self.0)
        }
    }
    let mut notes = ModelKind::of(folder)?.visit(Notes(folder))?;
    notes.extend(shards_beside(folder));
    Ok(notes)
}

/// The note on keys of a configuration that are not known.
pub(crate) fn unknown(path: &Path, keys: &[String]) -> impl Iterator<Item = String> + use<> {
    settings::note(path, keys).into_iter()
}

/// One file of weights goes before an index of shards, as in transformers.
fn shards_beside(folder: &Path) -> Option<String> {
    let read = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
    let read = read.into_iter().find(|name| folder.join(name).exists())?;
    let index = format!("{read}.index.json");
    folder.join(&index).exists().then(|| format!("`{read}` is read, and not the shards of `{index}`"))
}
