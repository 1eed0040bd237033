//! What a person should know of a model's files, though nothing fails on it.

mod tokenizer;

use crate::{ClipConfig, DecoderConfig, ModelError, ModelKind, Preprocess, settings};
use std::path::Path;

/// Notes on the files of a model folder: keys of configurations that are not known and have no effect, and settings of the
/// tokenizer that `tokenizer.json` does not follow, which alone counts.
///
/// # Errors
/// A configuration cannot be read, or is not that of a CLIP or language model.
pub fn notes(folder: &Path) -> Result<Vec<String>, ModelError> {
    let path = folder.join("config.json");
    let kind = ModelKind::of(folder)?;
    let unknown = match kind {
        ModelKind::Clip => ClipConfig::unknown_keys(&path)?,
        ModelKind::Language => DecoderConfig::unknown_keys(&path)?,
    };
    let mut notes: Vec<String> = settings::note(&path, &unknown).into_iter().collect();
    let lacks_padding = match kind {
        ModelKind::Clip => {
            notes.extend(Preprocess::notes(folder)?);
            false
        }
        ModelKind::Language => DecoderConfig::read(&path)?.pad_token.is_none(),
    };
    notes.extend(tokenizer::notes(folder, lacks_padding));
    notes.extend(shards_beside(folder));
    Ok(notes)
}

/// One file of weights goes before an index of shards, as in transformers.
fn shards_beside(folder: &Path) -> Option<String> {
    let read = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];
    let read = read.into_iter().find(|name| folder.join(name).exists())?;
    let index = format!("{read}.index.json");
    folder.join(&index).exists().then(|| format!("`{read}` is read, and not the shards of `{index}`"))
}
