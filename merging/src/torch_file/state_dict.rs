//! From the values of a pickle to named tensors.

use super::{
    Storage, TorchError, TorchTensor,
    pickle::{Id, Value, Values},
};
use safetensors::Dtype;
use std::collections::BTreeMap;

/// How far a state dict may lie below what was saved: `{"model": {"state_dict": …}}`.
const DEPTH: usize = 3;

/// A tensor as the pickle describes it.
pub(super) struct TensorEntry {
    dtype: Dtype,
    shape: Vec<usize>,
    strides: Vec<usize>,
    offset: usize,
    /// The storage's name in the file.
    pub(super) storage: String,
}

impl TensorEntry {
    /// The tensor in the file, once it is known where its storage lies.
    pub(super) fn placed(self, name: &str, storage: &Storage) -> Result<TorchTensor, TorchError> {
        TorchTensor::new(self.dtype, self.shape, self.strides, self.offset, storage)
            .map_err(|problem| TorchError::Damaged(format!("`{name}` {problem}")))
    }
}

/// The tensors of the state dict that `root` is, or that lies in it.
pub(super) fn tensors(values: &Values, root: Id) -> Result<BTreeMap<String, TensorEntry>, TorchError> {
    let mut tensors = BTreeMap::new();
    for (key, value) in find(values, root)? {
        let Value::Text(name) = values.get(*key) else {
            return Err(TorchError::Damaged("a key of the state dict is no text".to_owned()));
        };
        if !is_tensor(values, *value) {
            return Err(TorchError::Form(format!("`{name}` in it is no tensor; save the state dict alone")));
        }
        let described = describe(values, *value).map_err(|problem| problem.of(name))?;
        if tensors.insert(name.clone(), described).is_some() {
            return Err(TorchError::Damaged(format!("it holds `{name}` twice")));
        }
    }
    Ok(tensors)
}

/// The one dict of tensors: what was saved, or a dict in it, as trainers save one beside their own state.
fn find(values: &Values, root: Id) -> Result<&[(Id, Id)], TorchError> {
    // By number, since a value may lie in many places.
    let mut level = BTreeMap::from([(root, "it".to_owned())]);
    for _ in 0..DEPTH {
        let dicts: Vec<(&String, &Vec<(Id, Id)>)> = level
            .iter()
            .filter_map(|(id, name)| match values.get(*id) {
                Value::Dict(items) => Some((name, items)),
                _ => None,
            })
            .collect();
        let holds_tensors = |items: &[(Id, Id)]| items.iter().any(|(_, value)| is_tensor(values, *value));
        let found: Vec<_> = dicts.iter().filter(|(_, items)| holds_tensors(items)).collect();
        match found[..] {
            [] => {}
            [(_, items)] => return Ok(items),
            _ => {
                let names: Vec<_> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
                return Err(TorchError::Form(format!(
                    "it holds several dicts of tensors, {}; save the adapter's or the model's alone",
                    names.join(" and ")
                )));
            }
        }
        level = dicts
            .iter()
            .flat_map(|(_, items)| items.iter())
            .filter_map(|(key, value)| match values.get(*key) {
                Value::Text(name) => Some((*value, name.clone())),
                _ => None,
            })
            .collect();
    }
    match values.get(root) {
        Value::Dict(items) if items.is_empty() => Ok(items),
        _ => Err(TorchError::Form("it holds no state dict".to_owned())),
    }
}

/// Bytes of one element of every storage that the pickle names, by the storage's name.
pub(super) fn storage_widths(values: &Values) -> BTreeMap<&str, u64> {
    let width = |value: &Value| {
        let Value::Persistent(storage) = value else { return None };
        let Value::Tuple(storage) = values.get(*storage) else { return None };
        let [_, class, key, ..] = storage.as_slice() else { return None };
        let (Value::Global { name: class, .. }, Value::Text(key)) = (values.get(*class), values.get(*key)) else {
            return None;
        };
        Some((key.as_str(), (dtype(class)?.bitsize() / 8) as u64))
    };
    values.all().iter().filter_map(width).collect()
}

fn is_tensor(values: &Values, id: Id) -> bool {
    matches!(values.get(id), Value::Call { .. })
}

/// What is wrong with a tensor.
enum Problem {
    Damaged(String),
    Form(String),
}

impl Problem {
    fn of(self, name: &str) -> TorchError {
        match self {
            Self::Damaged(what) => TorchError::Damaged(format!("`{name}` {what}")),
            Self::Form(what) => TorchError::Form(format!("`{name}` {what}")),
        }
    }
}

/// Takes the call apart that would make a tensor.
fn describe(values: &Values, id: Id) -> Result<TensorEntry, Problem> {
    let mut id = id;
    // A parameter holds a tensor, a subclass of tensors holds the call that makes it: some levels of either.
    for _ in 0..4 {
        let Value::Call { callable, args } = values.get(id) else { return Err(no_tensor()) };
        let (Value::Global { name, .. }, Value::Tuple(args)) = (values.get(*callable), values.get(*args)) else {
            return Err(no_tensor());
        };
        match (name.as_str(), args.as_slice()) {
            ("_rebuild_tensor_v2" | "_rebuild_tensor", [storage, offset, shape, strides, ..]) => {
                return rebuilt(values, [*storage, *offset, *shape, *strides]);
            }
            ("_rebuild_parameter" | "_rebuild_parameter_with_state", [data, ..]) => id = *data,
            ("_rebuild_from_type_v2", [function, _, arguments, ..]) => {
                let (Value::Global { name, .. }, Value::Tuple(inner)) = (values.get(*function), values.get(*arguments))
                else {
                    return Err(no_tensor());
                };
                return match (name.as_str(), inner.as_slice()) {
                    ("_rebuild_tensor_v2", [storage, offset, shape, strides, ..]) => {
                        rebuilt(values, [*storage, *offset, *shape, *strides])
                    }
                    _ => Err(Problem::Form(format!("is made by `{name}`, which is not read"))),
                };
            }
            ("_rebuild_tensor_v2" | "_rebuild_tensor" | "_rebuild_parameter" | "_rebuild_from_type_v2", _) => {
                return Err(no_tensor());
            }
            (other, _) if other.starts_with("_rebuild_") => {
                return Err(Problem::Form(format!("is made by `torch._utils.{other}`, which is not read")));
            }
            _ => return Err(no_tensor()),
        }
    }
    Err(no_tensor())
}

fn rebuilt(values: &Values, [storage, offset, shape, strides]: [Id; 4]) -> Result<TensorEntry, Problem> {
    let Value::Persistent(storage) = values.get(storage) else { return Err(no_tensor()) };
    let Value::Tuple(storage) = values.get(*storage) else { return Err(no_tensor()) };
    let [_, class, key, _, _, view @ ..] = storage.as_slice() else { return Err(no_tensor()) };
    let (Value::Global { name: class, .. }, Value::Text(key)) = (values.get(*class), values.get(*key)) else {
        return Err(no_tensor());
    };
    if view.iter().any(|view| *values.get(*view) != Value::None) {
        return Err(Problem::Form("is a view of another storage, as torch before 0.4 wrote them".to_owned()));
    }
    let dtype = dtype(class).ok_or_else(|| Problem::Form(format!("is of `torch.{class}`, which is not read")))?;
    Ok(TensorEntry {
        dtype,
        shape: numbers(values, shape)?,
        strides: numbers(values, strides)?,
        offset: number(values, offset)?,
        storage: key.clone(),
    })
}

fn dtype(class: &str) -> Option<Dtype> {
    Some(match class {
        "FloatStorage" => Dtype::F32,
        "DoubleStorage" => Dtype::F64,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "ByteStorage" => Dtype::U8,
        "CharStorage" => Dtype::I8,
        "ShortStorage" => Dtype::I16,
        "IntStorage" => Dtype::I32,
        "LongStorage" => Dtype::I64,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

fn numbers(values: &Values, id: Id) -> Result<Vec<usize>, Problem> {
    match values.get(id) {
        Value::Tuple(items) => items.iter().map(|item| number(values, *item)).collect(),
        // `torch.Size((2, 3))`
        Value::Call { args, .. } => match values.get(*args) {
            Value::Tuple(args) if args.len() == 1 && matches!(values.get(args[0]), Value::Tuple(_)) => {
                numbers(values, args[0])
            }
            _ => Err(no_tensor()),
        },
        _ => Err(no_tensor()),
    }
}

fn number(values: &Values, id: Id) -> Result<usize, Problem> {
    match values.get(id) {
        Value::Int(number) => usize::try_from(*number).map_err(|_| no_tensor()),
        _ => Err(no_tensor()),
    }
}

fn no_tensor() -> Problem {
    Problem::Damaged("is not a tensor".to_owned())
}
