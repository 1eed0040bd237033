//! Weights of `torch.save` as safetensors.

use super::{
    OutputError,
    folder::{io, write_file},
};
use crate::{BaseHeader, BaseTensor};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Writes the weights of a pickled base into `folder`, one safetensors file for each of its files, and an index if
/// there are several. Bytes are copied as they are, one tensor after the other.
pub(super) fn write_safetensors(base: &BaseHeader, folder: &Path) -> Result<(), OutputError> {
    let mut files: BTreeMap<&str, Vec<(&str, &BaseTensor)>> = BTreeMap::new();
    for (name, tensor) in base.tensors() {
        files.entry(&tensor.file).or_default().push((name, tensor));
    }
    let mut weight_map = Map::new();
    for (file, tensors) in &files {
        let target = renamed(file);
        write_one(&base.folder().join(file), &folder.join(&target), tensors)?;
        weight_map.extend(tensors.iter().map(|(name, _)| ((*name).to_owned(), Value::from(target.as_str()))));
    }
    if files.len() > 1 {
        let total: u64 = base.tensors().values().map(|tensor| tensor.len_bytes).sum();
        let index = json!({"metadata": {"total_size": total}, "weight_map": weight_map});
        write_file(&folder.join("model.safetensors.index.json"), format!("{index:#}\n").as_bytes())?;
    }
    Ok(())
}

/// `pytorch_model-00001-of-00002.bin` as `model-00001-of-00002.safetensors`.
fn renamed(file: &str) -> String {
    let stem = file.strip_suffix(".bin").unwrap_or(file);
    format!("{}.safetensors", stem.strip_prefix("pytorch_").unwrap_or(stem))
}

fn write_one(source: &Path, target: &Path, tensors: &[(&str, &BaseTensor)]) -> Result<(), OutputError> {
    let mut header = Map::from_iter([("__metadata__".to_owned(), json!({"format": "pt"}))]);
    let mut end = 0;
    for (name, tensor) in tensors {
        let start = end;
        let dtype = format!("{:?}", tensor.dtype);
        end += tensor.len_bytes;
        header.insert((*name).to_owned(), json!({"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end]}));
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // The format wants the data to begin at a multiple of eight.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut input = File::open(source).map_err(io("read", source))?;
    let mut output = File::create(target).map_err(io("create", target))?;
    output.write_all(&(header.len() as u64).to_le_bytes()).map_err(io("write", target))?;
    output.write_all(&header).map_err(io("write", target))?;
    for (_, tensor) in tensors {
        input.seek(SeekFrom::Start(tensor.offset_bytes)).map_err(io("read", source))?;
        let copied = std::io::copy(&mut (&mut input).take(tensor.len_bytes), &mut output);
        if copied.map_err(io("write", target))? != tensor.len_bytes {
            return Err(io("read", source)(std::io::ErrorKind::UnexpectedEof.into()));
        }
    }
    output.sync_all().map_err(io("write", target))
}
