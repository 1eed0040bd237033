//! The form of torch before 1.6: a magic number, a protocol, a note of the machine, the object, the names of its
//! storages, and then the storages, each behind its number of elements.

use super::{
    Storage, TorchError, TorchTensor,
    pickle::{self, Id, Value, Values},
    state_dict,
};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// 0x1950a86a20f9469cfc6c, which opens every such file.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

pub(super) fn read(mut file: File) -> Result<BTreeMap<String, TorchTensor>, TorchError> {
    let length = file.metadata()?.len();
    let mut start = Vec::new();
    (&mut file).take(pickle::MAX_BYTES).read_to_end(&mut start)?;
    let mut pickles = Pickles { bytes: &start, at: 0 };
    let (values, magic) = pickles.decode_next()?;
    if *values.get(magic) != Value::Long(MAGIC.to_vec()) {
        return Err(TorchError::Damaged("it is a pickle, but `torch.save` did not write it".to_owned()));
    }
    pickles.decode_next()?;
    let (values, machine) = pickles.decode_next()?;
    if is_big_endian(&values, machine) {
        return Err(TorchError::Form("its numbers are big-endian, as no common machine writes them".to_owned()));
    }
    let (values, root) = pickles.decode_next()?;
    let described = state_dict::tensors(&values, root)?;
    let widths = state_dict::storage_widths(&values);
    let (list, names) = pickles.decode_next()?;
    let mut storages = BTreeMap::new();
    let mut at = pickles.at as u64;
    for name in storage_names(&list, names)? {
        let width = widths.get(name.as_str()).copied();
        let width =
            width.ok_or_else(|| TorchError::Form(format!("its storage `{name}` is of a type that is not read")))?;
        let elements = elements(&mut file, at)?;
        let end = elements.checked_mul(width).and_then(|bytes| bytes.checked_add(at)?.checked_add(8));
        let end = end.filter(|end| *end <= length);
        let end = end.ok_or_else(|| TorchError::Damaged(format!("the file ends within its storage `{name}`")))?;
        storages.insert(name, Storage { start: at + 8, bytes: end - at - 8 });
        at = end;
    }
    let mut tensors = BTreeMap::new();
    for (name, described) in described {
        let storage = storages.get(&described.storage);
        let storage = storage.ok_or_else(|| TorchError::Damaged(format!("the storage of `{name}` is not there")))?;
        tensors.insert(name.clone(), described.placed(&name, storage)?);
    }
    Ok(tensors)
}

/// Pickles one behind the other.
struct Pickles<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Pickles<'_> {
    fn decode_next(&mut self) -> Result<(Values, Id), TorchError> {
        let (values, root, length) = pickle::decode(&self.bytes[self.at..])?;
        self.at += length;
        Ok((values, root))
    }
}

fn is_big_endian(values: &Values, machine: Id) -> bool {
    let Value::Dict(entries) = values.get(machine) else { return false };
    entries.iter().any(|(key, value)| {
        *values.get(*key) == Value::Text("little_endian".to_owned()) && *values.get(*value) == Value::Bool(false)
    })
}

fn storage_names(values: &Values, names: Id) -> Result<Vec<String>, TorchError> {
    let malformed = || TorchError::Damaged("the list of its storages is none".to_owned());
    let Value::List(names) = values.get(names) else { return Err(malformed()) };
    let name = |id: &Id| match values.get(*id) {
        Value::Text(name) => Ok(name.clone()),
        _ => Err(malformed()),
    };
    names.iter().map(name).collect()
}

fn elements(file: &mut File, at: u64) -> Result<u64, TorchError> {
    let mut number = [0; 8];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut number)?;
    Ok(u64::from_le_bytes(number))
}
