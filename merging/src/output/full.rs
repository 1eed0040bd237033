use super::{
    Card, OutputError,
    card::recipe_json,
    convert::write_safetensors,
    folder::{io, write_file, write_whole},
};
use crate::{
    BaseHeader, BaseTensor, Matrix, MergedUpdate,
    adapter::{decode, encode},
};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

/// Weights in other formats: left where they are, they would be the base's beside the merged ones.
const OTHER_WEIGHTS: [&str; 6] = ["bin", "pt", "pth", "h5", "msgpack", "onnx"];

/// Writes a full model: the base's folder with the merged update added to its weights.
///
/// W + λΔW is computed in `f32` and rounded to the base's type. Shards, index and all other files stay as they are,
/// except for weights in other formats, which are not copied; those of a base that has no safetensors become
/// safetensors. `README.md` becomes the merge's card, and `recipe.json` is added.
///
/// # Errors
/// A weight that the base does not hold in that shape or as floats, a result that its type cannot hold, a folder that
/// is not empty, anything the file system says. Nothing half-written stays behind.
pub fn write_full(update: &MergedUpdate, base: &BaseHeader, card: &Card, target: &Path) -> Result<(), OutputError> {
    update.modules.keys().try_for_each(|module| checked(update, base, module).map(drop))?;
    write_whole(target, |folder| {
        copy_folder(base.folder(), folder)?;
        if base.is_pickled() {
            write_safetensors(base, folder)?;
        }
        let copy = BaseHeader::open(folder)?;
        let mut by_file: BTreeMap<&str, Vec<(&str, &BaseTensor)>> = BTreeMap::new();
        for module in update.modules.keys() {
            let tensor = checked(update, &copy, module)?;
            by_file.entry(&tensor.file).or_default().push((module, tensor));
        }
        for (file, modules) in &by_file {
            merge_into(update, &folder.join(file), modules)?;
        }
        write_file(&folder.join("recipe.json"), format!("{}\n", recipe_json(update)).as_bytes())?;
        write_file(&folder.join("README.md"), card.markdown(update, "transformers", "merge").as_bytes())
    })
}

fn checked<'a>(update: &MergedUpdate, base: &'a BaseHeader, module: &str) -> Result<&'a BaseTensor, OutputError> {
    let name = format!("{module}.weight");
    let expected = update.modules[module].shape();
    let tensor = base.tensor(&name);
    let other = |found| OutputError::OtherBase { tensor: name, base: base.folder().to_owned(), found, expected };
    let Some(tensor) = tensor else { return Err(other("missing".to_owned())) };
    let bytes = (expected[0] * expected[1] * tensor.dtype.bitsize() / 8) as u64;
    let is_float = encode(tensor.dtype, &[]).is_some();
    if !is_float {
        return Err(other(format!("{:?} {:?}, so it is quantised", tensor.dtype, tensor.shape)));
    }
    if tensor.shape != expected || tensor.len_bytes != bytes {
        return Err(other(format!("{:?} {:?}", tensor.dtype, tensor.shape)));
    }
    Ok(tensor)
}

/// Adds the updates to the tensors of one file, in place.
fn merge_into(update: &MergedUpdate, path: &Path, modules: &[(&str, &BaseTensor)]) -> Result<(), OutputError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(io("open", path))?;
    for (module, tensor) in modules {
        let mut bytes = vec![0; tensor.len_bytes as usize];
        let start = SeekFrom::Start(tensor.offset_bytes);
        file.seek(start).and_then(|_| file.read_exact(&mut bytes)).map_err(io("read", path))?;
        let weight = decode(tensor.dtype, &bytes).unwrap_or_default();
        let delta = update.dense(module).unwrap_or_else(|| Matrix::zeros(0, 0));
        let merged: Vec<f32> = weight.iter().zip(delta.data()).map(|(weight, delta)| weight + delta).collect();
        let bytes = encode(tensor.dtype, &merged).unwrap_or_default();
        let back = decode(tensor.dtype, &bytes).unwrap_or_default();
        if back.iter().zip(&weight).any(|(merged, weight)| weight.is_finite() && !merged.is_finite()) {
            let dtype = format!("{:?}", tensor.dtype);
            return Err(OutputError::Overflow { tensor: format!("{module}.weight"), dtype });
        }
        file.seek(start).and_then(|_| file.write_all(&bytes)).map_err(io("write", path))?;
    }
    Ok(())
}

/// Copies files and folders, following links: a hub cache is made of them.
fn copy_folder(from: &Path, to: &Path) -> Result<(), OutputError> {
    for entry in fs::read_dir(from).map_err(io("list", from))? {
        let entry = entry.map_err(io("list", from))?;
        let source = entry.path();
        let target = to.join(entry.file_name());
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let other_weights = source.extension().is_some_and(|end| OTHER_WEIGHTS.iter().any(|other| end == *other));
        let other_index = source.to_string_lossy().ends_with(".bin.index.json");
        if hidden || other_weights || other_index {
            continue;
        }
        if source.is_dir() {
            fs::create_dir(&target).map_err(io("create", &target))?;
            copy_folder(&source, &target)?;
        } else {
            // Not `fs::copy`, which would keep a read-only cache's permissions.
            let mut reader = fs::File::open(&source).map_err(io("read", &source))?;
            let mut writer = fs::File::create(&target).map_err(io("create", &target))?;
            std::io::copy(&mut reader, &mut writer).map_err(io("write", &target))?;
        }
    }
    Ok(())
}
