//! The ZIP archives that torch has written since 1.6.

use super::{Storage, TorchError, TorchTensor, pickle, state_dict};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
};
use zip::{CompressionMethod, ZipArchive, result::ZipError};

pub(super) fn read(file: File) -> Result<BTreeMap<String, TorchTensor>, TorchError> {
    let length = file.metadata()?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(zip)?;
    let folder = folder(&archive)?;
    let little = entry(&mut archive, &format!("{folder}byteorder"), 16)?;
    if little.is_some_and(|order| order != b"little") {
        return Err(TorchError::Form("its numbers are big-endian, as no common machine writes them".to_owned()));
    }
    let name = format!("{folder}data.pkl");
    let pickle = entry(&mut archive, &name, pickle::MAX_BYTES)?.unwrap_or_default();
    let (values, root, _) = pickle::decode(&pickle)?;
    let mut tensors = BTreeMap::new();
    for (name, described) in state_dict::tensors(&values, root)? {
        let storage = storage(&mut archive, &format!("{folder}data/{}", described.storage), length)?;
        tensors.insert(name.clone(), described.placed(&name, &storage)?);
    }
    Ok(tensors)
}

/// What stands before `data.pkl`: the name under which the file was saved.
fn folder(archive: &ZipArchive<BufReader<File>>) -> Result<String, TorchError> {
    let mut folders = Vec::new();
    for name in archive.file_names() {
        let name = name.map_err(zip)?;
        folders.extend(name.strip_suffix("data.pkl").map(str::to_owned));
    }
    match <[String; 1]>::try_from(folders) {
        Ok([folder]) => Ok(folder),
        Err(_) => Err(TorchError::Damaged("the archive does not hold exactly one `data.pkl`".to_owned())),
    }
}

/// The content of a small entry, if there is one.
fn entry(archive: &mut ZipArchive<BufReader<File>>, name: &str, most: u64) -> Result<Option<Vec<u8>>, TorchError> {
    let entry = match archive.by_name(name) {
        Err(ZipError::FileNotFound) => return Ok(None),
        entry => entry.map_err(zip)?,
    };
    let mut bytes = Vec::new();
    entry.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(TorchError::Damaged(format!("`{name}` is larger than {most} bytes")));
    }
    Ok(Some(bytes))
}

fn storage(archive: &mut ZipArchive<BufReader<File>>, name: &str, length: u64) -> Result<Storage, TorchError> {
    let entry = match archive.by_name(name) {
        Err(ZipError::FileNotFound) => return Err(TorchError::Damaged(format!("the archive lacks `{name}`"))),
        entry => entry.map_err(zip)?,
    };
    if entry.compression() != CompressionMethod::Stored {
        return Err(TorchError::Form(format!("`{name}` in the archive is compressed, which torch does not do")));
    }
    let start = entry.data_start();
    let start = start.ok_or_else(|| TorchError::Damaged(format!("the archive does not say where `{name}` starts")))?;
    let bytes = entry.size();
    if start.checked_add(bytes).is_none_or(|end| end > length) {
        return Err(TorchError::Damaged(format!("the file ends within `{name}`")));
    }
    Ok(Storage { start, bytes })
}

fn zip(error: ZipError) -> TorchError {
    match error {
        ZipError::Io(error) => TorchError::Damaged(format!("the archive cannot be read: {error}")),
        error => TorchError::Damaged(error.to_string()),
    }
}
