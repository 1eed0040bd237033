use crate::{
    small_file::{CONFIG_BYTES, INDEX_BYTES, read_small},
    torch_file::TorchFile,
};
use jobs::WeightIndex;
use safetensors::Dtype;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error::Error,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The largest header that is believed; the format itself allows no more.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Model types of transformers whose layers are `Conv1D`, which stores weights as `[in, out]`. GPTBigCode, of the same
/// names, has linear ones.
const OF_CONV1D: [&str; 5] = ["gpt2", "openai-gpt", "imagegpt", "decision_transformer", "clvp"];

/// Names, types and shapes of a base model's tensors, read without its weights.
#[derive(Debug, Clone)]
pub struct BaseHeader {
    folder: PathBuf,
    tensors: BTreeMap<String, BaseTensor>,
    config: Config,
}

/// What `config.json` says of a base. It is not needed to read weights, so a file that is missing or of another form
/// says nothing.
#[derive(Debug, Clone, Default)]
struct Config {
    class: Option<String>,
    quantisation: Option<String>,
    ties_embeddings: bool,
    is_of_conv1d: bool,
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
    #[error("`{folder}` holds neither `model.safetensors` nor `model.safetensors.index.json`, nor `pytorch_model.bin`")]
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
    /// A safetensors header gives a tensor another place than its type and shape need.
    #[error(
        "the header of `{path}` gives `{tensor}` of type {dtype:?} and shape {shape:?} the bytes {from} to {to} of its data; \
         expected {expected}: the file is corrupt, so fetch or save it again"
    )]
    Place {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// Where its bytes begin, counted from the end of the header.
        from: u64,
        /// Where they end.
        to: u64,
        /// What would fit.
        expected: String,
    },
    /// A file of `torch.save` cannot be read.
    #[error("cannot read the weights `{path}`")]
    Pickle {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A tensor in a file of `torch.save` is a view whose elements do not lie in the order of rows.
    #[error("`{tensor}` in `{path}` is a strided view; save the model as safetensors, which writes it in order")]
    Strided {
        /// The tensor.
        tensor: String,
        /// The file.
        path: PathBuf,
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
struct Entry {
    dtype: Dtype,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Entry {
    /// The bytes of the tensor, if its place has as many as its type and shape need.
    fn placed_bytes(&self) -> Option<u64> {
        let (from, to) = self.data_offsets;
        to.checked_sub(from).filter(|placed| Some(*placed) == self.needed_bytes())
    }

    /// The bytes that type and shape need; `None` if no file can have as many.
    fn needed_bytes(&self) -> Option<u64> {
        let elements = self.shape.iter().try_fold(1_u64, |elements, side| elements.checked_mul(*side as u64))?;
        let bits = elements.checked_mul(self.dtype.bitsize() as u64)?;
        (bits % 8 == 0).then_some(bits / 8)
    }

    fn misplaced(self, path: PathBuf, tensor: String) -> BaseError {
        let expected = match self.needed_bytes() {
            Some(bytes) => format!("{bytes} bytes"),
            None => "a shape that a file can hold".to_owned(),
        };
        let Self { dtype, shape, data_offsets: (from, to) } = self;
        BaseError::Place { path, tensor, dtype, shape, from, to, expected }
    }
}

impl BaseHeader {
    /// Reads the headers of `model.safetensors`, or of the shards that `model.safetensors.index.json` names. Without
    /// either, `pytorch_model.bin` or the shards of its index are looked at, whose pickles are decoded without
    /// executing anything.
    ///
    /// # Errors
    /// A missing or unreadable file, a header that is not valid, a file shorter or longer than its header says.
    pub fn open(folder: &Path) -> Result<Self, BaseError> {
        let tensors = read_folder(folder)?;
        Ok(Self { folder: folder.to_owned(), tensors, config: Config::read(folder) })
    }

    /// The same base, restricted to tensors whose name starts with `prefix`.
    ///
    /// A CLIP model has two towers with the same module names; `vision_model.` makes them unique.
    pub fn within(&self, prefix: &str) -> Self {
        let tensors = self.tensors.iter().filter(|(name, _)| name.starts_with(prefix));
        let tensors = tensors.map(|(name, tensor)| (name.clone(), tensor.clone())).collect();
        Self { tensors, ..self.clone() }
    }

    /// The base model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, BaseTensor> {
        &self.tensors
    }

    /// The class of the model, the first of `architectures` in its `config.json`.
    pub(crate) fn class(&self) -> Option<&str> {
        self.config.class.as_deref()
    }

    /// The method by which `config.json` says that the weights are quantised.
    pub(crate) fn quantisation(&self) -> Option<&str> {
        self.config.quantisation.as_deref()
    }

    /// Whether the output layer reads the embeddings, by `tie_word_embeddings` in `config.json`.
    pub(crate) fn ties_embeddings(&self) -> bool {
        self.config.ties_embeddings
    }

    /// Whether the layers are `Conv1D`, by `model_type` in `config.json`.
    pub(crate) fn is_of_conv1d(&self) -> bool {
        self.config.is_of_conv1d
    }

    /// Whether the weights lie in files of `torch.save`.
    pub(crate) fn is_pickled(&self) -> bool {
        self.tensors.values().any(|tensor| is_pickle(&tensor.file))
    }

    /// One tensor.
    pub fn tensor(&self, name: &str) -> Option<&BaseTensor> {
        self.tensors.get(name)
    }
}

impl Config {
    fn read(folder: &Path) -> Self {
        let text = read_small(&folder.join("config.json"), CONFIG_BYTES).ok();
        let Some(config) = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) else {
            return Self::default();
        };
        let method = config["quantization_config"]["quant_method"].as_str();
        Self {
            class: config["architectures"][0].as_str().map(str::to_owned),
            quantisation: method.map(str::to_owned),
            ties_embeddings: config["tie_word_embeddings"].as_bool().unwrap_or(false),
            is_of_conv1d: config["model_type"].as_str().is_some_and(|kind| OF_CONV1D.contains(&kind)),
        }
    }
}

fn read_folder(folder: &Path) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    for single in ["model.safetensors", "pytorch_model.bin"] {
        let index = folder.join(format!("{single}.index.json"));
        if folder.join(single).is_file() {
            return read_file(folder, single);
        }
        if index.is_file() {
            return read_shards(folder, &index);
        }
    }
    Err(BaseError::NoWeights { folder: folder.to_owned() })
}

fn read_file(folder: &Path, file: &str) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    if is_pickle(file) { read_pickle(folder, file) } else { read_header(folder, file) }
}

fn is_pickle(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end == "bin")
}

fn read_pickle(folder: &Path, file: &str) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    let path = folder.join(file);
    let saved =
        TorchFile::open(&path).map_err(|source| BaseError::Pickle { path: path.clone(), source: source.into() })?;
    let mut tensors = BTreeMap::new();
    for (name, tensor) in saved.tensors() {
        let strided = || BaseError::Strided { tensor: name.clone(), path: path.clone() };
        let (offset_bytes, len_bytes) = tensor.contiguous().ok_or_else(strided)?;
        let dtype = tensor.dtype;
        let shape = tensor.shape.clone();
        let file = file.to_owned();
        tensors.insert(name.clone(), BaseTensor { dtype, shape, file, offset_bytes, len_bytes });
    }
    Ok(tensors)
}

fn read_shards(folder: &Path, index: &Path) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    let text = read_small(index, INDEX_BYTES).map_err(|source| BaseError::Read { path: index.to_owned(), source })?;
    let parsed = WeightIndex::from_json(&text).map_err(|source| BaseError::Index { path: index.to_owned(), source })?;
    let mut shards = BTreeMap::new();
    let mut tensors = BTreeMap::new();
    for (name, file) in parsed.files {
        if !shards.contains_key(&file) {
            shards.insert(file.clone(), read_file(folder, &file)?);
        }
        let tensor = shards.get_mut(&file).and_then(|shard| shard.remove(&name));
        let missing = || BaseError::NotInShard { tensor: name.clone(), path: folder.join(&file) };
        tensors.insert(name.clone(), tensor.ok_or_else(missing)?);
    }
    Ok(tensors)
}

pub(crate) fn read_header(folder: &Path, file: &str) -> Result<BTreeMap<String, BaseTensor>, BaseError> {
    let path = folder.join(file);
    let (bytes, found) = header_bytes(&path)?;
    let header = |source| BaseError::Header { path: path.clone(), source };
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&bytes).map_err(header)?;
    entries.remove("__metadata__");
    let start = 8 + bytes.len() as u64;
    let mut tensors = BTreeMap::new();
    let mut expected = start;
    for (name, entry) in entries {
        let entry: Entry = serde_json::from_value(entry).map_err(header)?;
        let end = start.saturating_add(entry.data_offsets.1);
        expected = expected.max(end);
        let Some(len_bytes) = entry.placed_bytes() else { return Err(entry.misplaced(path, name)) };
        let offset_bytes = end.saturating_sub(len_bytes);
        let Entry { dtype, shape, .. } = entry;
        tensors.insert(name, BaseTensor { dtype, shape, file: file.to_owned(), offset_bytes, len_bytes });
    }
    if expected != found {
        return Err(BaseError::Length { path, expected, found });
    }
    Ok(tensors)
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
