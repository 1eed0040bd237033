//! Torch's zipped pickles, decoded by candle: opcodes become data, nothing is ever executed.

use super::{AdapterError, tensors::RawTensor};
use candle_core::{
    DType, Tensor,
    pickle::{Object, PthTensors, Stack},
};
use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use zip::ZipArchive;

/// A state dict of an adapter describes some hundred tensors; a larger pickle is not one.
const MAX_PICKLE_BYTES: u64 = 64 << 20;

/// The Python names that a state dict needs; the storages (`torch.FloatStorage`, ...) come on top.
const NEEDED: [(&str, &str); 6] = [
    ("collections", "OrderedDict"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_parameter"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch", "Tensor"),
    ("torch.nn.parameter", "Parameter"),
];

type Failure = Box<dyn Error + Send + Sync>;

pub(super) fn read(path: &Path) -> Result<BTreeMap<String, RawTensor>, AdapterError> {
    let weights = |source: Failure| AdapterError::Weights { path: path.to_owned(), source };
    let object = decode(path).map_err(weights)?;
    if let Some(callable) = code(&object) {
        return Err(AdapterError::PickleCode { path: path.to_owned(), callable });
    }
    let names = names(object).map_err(weights)?;
    let tensors = guarded(|| PthTensors::new(path, None).map_err(Failure::from)).map_err(weights)?;
    let mut raw = BTreeMap::new();
    for name in names {
        let tensor = guarded(|| tensors.get(&name).map_err(Failure::from)).map_err(weights)?;
        let tensor = tensor.ok_or_else(|| weights(format!("`{name}` is not a tensor").into()))?;
        raw.insert(name.clone(), to_raw(path, &name, &tensor)?);
    }
    Ok(raw)
}

/// The pickle in the archive, as data.
fn decode(path: &Path) -> Result<Object, Failure> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let pickles: Vec<_> =
        archive.file_names().map(|name| name.map(|name| name.into_owned())).collect::<Result<_, _>>()?;
    let mut pickles = pickles.into_iter().filter(|name| name.ends_with("data.pkl"));
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        return Err("the archive does not hold exactly one `data.pkl`".into());
    };
    let mut bytes = Vec::new();
    archive.by_name(&pickle)?.take(MAX_PICKLE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PICKLE_BYTES {
        return Err(format!("`{pickle}` is larger than {MAX_PICKLE_BYTES} bytes").into());
    }
    guarded(|| {
        let mut stack = Stack::empty();
        stack.read_loop(&mut bytes.as_slice())?;
        Ok(stack.finalize()?)
    })
}

/// candle's decoder indexes into what a file claims; a crafted file must not take the process down.
fn guarded<T>(read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("the pickle is malformed".into()))
}

/// The first Python name in `object` that a state dict does not need.
fn code(object: &Object) -> Option<String> {
    match object {
        Object::Class { module_name, class_name } => {
            let storage = module_name == "torch" && class_name.ends_with("Storage");
            let needed = storage || NEEDED.contains(&(module_name.as_str(), class_name.as_str()));
            (!needed).then(|| format!("{module_name}.{class_name}"))
        }
        Object::Tuple(items) | Object::List(items) => items.iter().find_map(code),
        Object::Dict(entries) => entries.iter().find_map(|(key, value)| code(key).or_else(|| code(value))),
        Object::Reduce { callable, args } | Object::Build { callable, args } => code(callable).or_else(|| code(args)),
        Object::PersistentLoad(id) => code(id),
        _ => None,
    }
}

/// The keys of a state dict.
fn names(object: Object) -> Result<Vec<String>, Failure> {
    let object = match object {
        // An ordered dict with attributes (`_metadata`) of its own.
        Object::Build { callable, .. } => *callable,
        other => other,
    };
    let entries = object.dict().map_err(|_| "the pickle does not hold a state dict")?;
    let names = entries.into_iter().filter_map(|(key, _)| key.unicode().ok());
    // Torch keeps its version note beside the tensors when the dict was built with attributes.
    Ok(names.filter(|name| name != "_metadata").collect())
}

fn to_raw(path: &Path, name: &str, tensor: &Tensor) -> Result<RawTensor, AdapterError> {
    let weights = |source: candle_core::Error| AdapterError::Weights { path: path.to_owned(), source: source.into() };
    if !tensor.dtype().is_float() {
        let dtype = format!("{:?}", tensor.dtype());
        return Err(AdapterError::Dtype { path: path.to_owned(), tensor: name.to_owned(), dtype });
    }
    let flat = tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()).map_err(weights)?;
    Ok(RawTensor { shape: tensor.dims().to_vec(), values: flat.to_vec1().map_err(weights)? })
}
