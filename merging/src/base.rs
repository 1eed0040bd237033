use safetensors::Dtype;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest header that is believed; the format itself allows no more.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Names, types and shapes of a base model's tensors, read without its weights.
#[derive(Debug, Clone)]
pub struct BaseHeader {
    folder: PathBuf,
    tensors: BTreeMap<String, BaseTensor>,
}

/// One tensor of a base model, as its safetensors header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseTensor {
    /// The element type.
    pub dtype: Dtype,
    /// The shape; a linear layer's weight is `[out, in]`.
    pub shape: Vec<usize>,
    /// The file in the base's folder.
    pub file: String,
    /// Where the tensor's bytes start in the file.
    pub offset_bytes: u64,
    /// How many bytes it has.
    pub len_bytes: u64,
}

/// Why a base model's weights cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// A file could not be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder has neither a single safetensors file nor an index of shards.
    #[error("`{folder}` holds neither `model.safetensors` nor `model.safetensors.index.json`")]
    NoWeights {
        /// The folder.
        folder: PathBuf,
    },
    /// The index of shards is not JSON of the right form.
    #[error("the index `{path}` is not valid")]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A safetensors header is not valid JSON of the right form.
    #[error("the header of `{path}` is not valid")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A safetensors file has another length than its header says.
    #[error("`{path}` is truncated or corrupt: its header needs {expected} bytes, the file has {found}")]
    Length {
        /// The file.
        path: PathBuf,
        /// The length by the header.
        expected: u64,
        /// The length of the file.
        found: u64,
    },
    /// The index names a tensor that its shard does not hold.
    #[error("`{tensor}` is not in `{path}`, where the index puts it")]
    NotInShard {
        /// The tensor.
        tensor: String,
        /// The shard.
        path: PathBuf,
    },
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl BaseHeader {
    /// Reads the headers of `model.safetensors`, or of the shards that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A missing or unreadable file, a header that is not valid, a file shorter or longer than its header says.
    pub fn open(folder: &Path) -> Result<Self, BaseError> {
        let index = folder.join("model.safetensors.index.json");
        let tensors = if folder.join("model.safetensors").is_file() {
            read_header(folder, "model.safetensors")?
        } else if index.is_file() {
            read_shards(folder, &index)?
        } else {
            return Err(BaseError::NoWeights { folder: folder.to_owned() });
        };
        Ok(Self { folder: folder.to_owned(), tensors })
    }

    /// Opens a base model, restricted to the part that adapters attach to.
    ///
    /// Adapters of a CLIP model (`"model_type": "clip"` in its `config.json`) belong to the image tower: its text tower has
    /// modules of the same names, so only the tensors of `vision_model.` stay. Any other base stays whole, also one without
    /// a readable `config.json`.
    ///
    /// # Errors
    /// Those of [`BaseHeader::open`].
    pub fn adapted(folder: &Path) -> Result<Self, BaseError> {
        let whole = Self::open(folder)?;
        Ok(if is_clip(folder) { whole.within("vision_model.") } else { whole })
    }

    /// The same base, restricted to tensors whose name starts with `prefix`.
    ///
    /// A CLIP model has two towers with the same module names; `vision_model.` makes them unique.
    pub fn within(&self, prefix: &str) -> Self {
        let tensors = self.tensors.iter().filter(|(name, _)| name.starts_with(prefix));
        let tensors = tensors.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        Self { folder: self.folder.clone(), tensors }
    }

    /// The base model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, BaseTensor> {
        &self.tensors
    }

    /// One tensor.
    pub fn tensor(&self, name: &str) -> Option<&BaseTensor> {
        self.tensors.get(name)
    }
}

/// Whether the model in `folder` has an image and a text tower.
fn is_clip(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct Config {
        model_type: String,
    }
    let config = std::fs::read(folder.join("config.json")).ok();
    let config: Option<Config> = config.and_then(|text| serde_json::from_slice(&text).ok());
    config.is_some_and(|config| config.model_type == "clip")
}

fn read_shards(folder: &Path, index: &Path) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    let text = std::fs::read(index).map_err(|source| BaseError::Read { path: index.to_owned(), source })?;
    let parsed: Index =
        serde_json::from_slice(&text).map_err(|source| BaseError::Index { path: index.to_owned(), source })?;
    let mut shards = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, file) in parsed.weight_map {
        if !shards.contains_key(&file) {
            shards.insert(file.clone(), read_header(folder, &file)?);
        }
        let tensor = shards.get_mut(&file).and_then(|shard| shard.remove(&name));
        let missing = || BaseError::NotInShard { tensor: name.clone(), path: folder.join(&file) };
        tensors.insert(name.clone(), tensor.ok_or_else(missing)?);
    }
    Ok(tensors)
}

fn read_header(folder: &Path, file: &str) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    let path = folder.join(file);
    let (bytes, found) = header_bytes(&path)?;
    let header = |source| BaseError::Header { path: path.clone(), source };
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes).map_err(header)?;
    entries.remove("__metadata__");
    let start = 8 + bytes.len() as u64;
    let mut tensors = BTreeMap::new();
    let mut expected = start;
    for (name, entry) in entries {
        let Entry { dtype, shape, data_offsets: (from, to) } = serde_json::from_value(entry).map_err(header)?;
        expected = expected.max(start.saturating_add(to));
        let (offset_bytes, len_bytes) = (start.saturating_add(from), to.saturating_sub(from));
        tensors.insert(name, BaseTensor { dtype, shape, file: file.to_owned(), offset_bytes, len_bytes });
    }
    match expected == found {
        true => Ok(tensors),
        false => Err(BaseError::Length { path, expected, found }),
    }
}

/// The header of a safetensors file, and the length of the whole file.
fn header_bytes(path: &Path) -> Result<(Vec<u8>, u64), BaseError> {
    let read = |source| BaseError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(read)?;
    let found = file.metadata().map_err(read)?.len();
    let mut length = [0; 8];
    if found < 8 {
        return Err(BaseError::Length { path: path.to_owned(), expected: 8, found });
    }
    file.read_exact(&mut length).map_err(read)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER_BYTES || length > found - 8 {
        return Err(BaseError::Length { path: path.to_owned(), expected: length.saturating_add(8), found });
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes).map_err(read)?;
    Ok((bytes, found))
}
