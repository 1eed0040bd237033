//! Tensors of the base that PEFT saved along with an adapter.

use super::{
    Numbers,
    tensors::{NOTHING_SAVED, RawTensor, decode, encode},
};
use crate::{BaseHeader, BaseTensor};
use safetensors::Dtype;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// Names of the output layer and of embeddings in the families of language models: one may read the other.
const EMBEDDINGS: [&str; 7] =
    ["embed_tokens", "wte", "word_embeddings", "shared", "embed_in", "tok_embeddings", "token_embedding"];
const OUTPUTS: [&str; 3] = ["lm_head", "embed_out", "output"];

/// Checks that a tensor of the adapter is the base's own `module.parameter`, so that it changes nothing.
///
/// PEFT saves embeddings and the output layer along when an adapter targets them, or when the vocabulary grew.
pub(super) fn check_copy(
    base: &BaseHeader,
    module: &str,
    parameter: &str,
    raw: &RawTensor,
    numbers: Numbers,
) -> Result<(), String> {
    let found = find(base, module, parameter);
    let Some((name, tensor)) = found.first() else {
        return Err(if parameter == "bias" {
            "it is a trained bias, not a low-rank update".to_owned()
        } else {
            "it is neither a LoRA factor nor a classifier head".to_owned()
        });
    };
    if raw.is_empty() {
        return Err(format!("it has the shape {:?}: {NOTHING_SAVED}", raw.shape));
    }
    let of_shape: Vec<Found<'_>> = found.iter().filter(|(_, tensor)| tensor.shape == raw.shape).copied().collect();
    if tensor.shape.contains(&0) {
        return Err(format!("the base's `{name}` has the shape {:?}: {NOTHING_SAVED}", tensor.shape));
    }
    if of_shape.is_empty() {
        return Err(format!(
            "it was saved whole with the shape {:?}, and the base's `{name}` is {:?}: was the vocabulary resized?",
            raw.shape, tensor.shape
        ));
    }
    if numbers == Numbers::Unknown {
        return Ok(());
    }
    for (name, tensor) in &of_shape {
        let values = read(base, tensor).ok_or_else(|| format!("the base's `{name}` cannot be read to compare it"))?;
        if is_copy(raw, tensor.dtype, &values) {
            return Ok(());
        }
    }
    let names = of_shape.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    Err(format!(
        "it was saved whole and differs from the base's {names}, so it was trained; only low-rank updates are merged"
    ))
}

/// Whether `raw` is `values`, which the base stores as `dtype`. The copy may have been saved in a narrower type than
/// the base's, or the base in a narrower one than the copy.
fn is_copy(raw: &RawTensor, dtype: Dtype, values: &[f32]) -> bool {
    same(&raw.values, values)
        || same(&raw.values, &rounded(raw.dtype, values))
        || same(&rounded(dtype, &raw.values), values)
}

fn rounded(dtype: Dtype, values: &[f32]) -> Vec<f32> {
    encode(dtype, values).and_then(|bytes| decode(dtype, &bytes)).unwrap_or_default()
}

fn same(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.to_bits() == other.to_bits())
}

/// A tensor of the base with its name.
type Found<'a> = (&'a str, &'a BaseTensor);

/// The base's tensor of that name, or else those ending with it, as both towers of a CLIP have one; for an output layer
/// that reads the embeddings, these.
fn find<'a>(base: &'a BaseHeader, module: &str, parameter: &str) -> Vec<Found<'a>> {
    let by_name = |module: &str| -> Option<Vec<Found<'a>>> {
        let name = format!("{module}.{parameter}");
        if let Some((name, tensor)) = base.tensors().get_key_value(&name) {
            return Some(vec![(name, tensor)]);
        }
        let tail = format!(".{name}");
        let found = base.tensors().iter().filter(|(full, _)| full.ends_with(&tail));
        let found: Vec<_> = found.map(|(name, tensor)| (name.as_str(), tensor)).collect();
        (!found.is_empty()).then_some(found)
    };
    // A head's class puts a prefix before the names that a bare base has not.
    let shorter = || module.match_indices('.').find_map(|(at, _)| by_name(&module[at + 1..]));
    let found = by_name(module).or_else(shorter).or_else(|| {
        let last = module.rsplit('.').next()?;
        let is_tied = base.ties_embeddings() && OUTPUTS.contains(&last);
        is_tied.then(|| EMBEDDINGS.iter().find_map(|name| by_name(name)))?
    });
    found.unwrap_or_default()
}

fn read(base: &BaseHeader, tensor: &BaseTensor) -> Option<Vec<f32>> {
    let mut file = File::open(base.folder().join(&tensor.file)).ok()?;
    file.seek(SeekFrom::Start(tensor.offset_bytes)).ok()?;
    let mut bytes = vec![0; usize::try_from(tensor.len_bytes).ok()?];
    file.read_exact(&mut bytes).ok()?;
    decode(tensor.dtype, &bytes)
}
