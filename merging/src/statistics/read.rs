use super::{
    Entry, FisherEntry, INDEX, Index, InputStatistics, Solution, SolutionEntry, StatisticsError, VERSION, triangle,
};
use crate::{
    Matrix,
    base::read_header,
    small_file::{INDEX_BYTES, read_small},
};
use safetensors::Dtype;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The statistics of one task in a folder. Gram matrices stay there until they are asked for.
#[derive(Debug, Clone)]
pub struct TaskStatistics {
    task: String,
    folder: PathBuf,
    examples: u64,
    /// By module.
    inputs: BTreeMap<String, Arc<Entry>>,
    fisher: BTreeMap<String, FisherEntry>,
    solutions: BTreeMap<String, SolutionEntry>,
}

impl TaskStatistics {
    /// Reads the index of a folder that a [`StatisticsWriter`](super::StatisticsWriter) filled.
    ///
    /// # Errors
    /// The index cannot be read, or is of another version.
    pub fn open(task: &str, folder: &Path) -> Result<Self, StatisticsError> {
        let path = folder.join(INDEX);
        let text =
            read_small(&path, INDEX_BYTES).map_err(|source| StatisticsError::Read { path: path.clone(), source })?;
        let index: Index =
            serde_json::from_slice(&text).map_err(|source| StatisticsError::Index { path: path.clone(), source })?;
        if index.version != VERSION {
            return Err(StatisticsError::Version { path, found: index.version, expected: VERSION });
        }
        let inputs = index.inputs.iter().map(|entry| &entry.file);
        let fisher = index.fisher.iter().map(|entry| &entry.file);
        let files = inputs.chain(fisher).chain(index.solutions.iter().map(|entry| &entry.file));
        // The index comes out of a store: a name must not lead out of the folder.
        if let Some(file) = files.into_iter().find(|file| !is_layer(file)) {
            return Err(StatisticsError::FileName { path, file: file.clone() });
        }
        // Shared: an entry with a copy of its names for each of its names takes memory by their square.
        let named = |entry: Entry| {
            let entry = Arc::new(entry);
            entry.modules.clone().into_iter().map(move |module| (module, Arc::clone(&entry)))
        };
        let inputs = index.inputs.into_iter().flat_map(named).collect();
        let fisher = index.fisher.into_iter().map(|entry| (entry.module.clone(), entry)).collect();
        let solutions = index.solutions.into_iter().map(|entry| (entry.module.clone(), entry)).collect();
        Ok(Self {
            task: task.to_owned(),
            folder: folder.to_owned(),
            examples: index.examples,
            inputs,
            fisher,
            solutions,
        })
    }

    /// The task.
    pub fn task(&self) -> &str {
        &self.task
    }

    /// The number of examples.
    pub fn examples(&self) -> u64 {
        self.examples
    }

    /// What is known of the inputs of a module; `None` if nothing is.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold what the index says.
    pub fn of_module(&self, module: &str) -> Result<Option<InputStatistics>, StatisticsError> {
        let Some(entry) = self.inputs.get(module) else { return Ok(None) };
        let modules = entry.modules.clone();
        let tokens = entry.tokens;
        let width = entry.width;
        let length = width.checked_mul(width.saturating_add(1)).map_or(usize::MAX, |_| triangle(width));
        let [sum, gram] = [("sum", width), ("gram", length)].map(|(what, length)| {
            let bytes = self.tensor(&entry.file, &entry.tensor(what), Dtype::F64, &[length])?;
            let (numbers, _) = bytes.as_chunks::<8>();
            self.finite(&entry.file, &entry.tensor(what), numbers.iter().map(|x| f64::from_le_bytes(*x)).collect())
        });
        Ok(Some(InputStatistics { modules, tokens, sum: sum?, gram: gram? }))
    }

    /// The Fisher information of the weight of a module, `[outputs, inputs]`; `None` if nothing is known.
    ///
    /// # Errors
    /// The file cannot be read, or does not hold what the index says.
    pub fn fisher_of(&self, module: &str) -> Result<Option<Matrix>, StatisticsError> {
        let Some(FisherEntry { file, shape, .. }) = self.fisher.get(module) else { return Ok(None) };
        self.floats(file, &format!("{module}.fisher"), *shape).map(Some)
    }

    /// A matrix of 32-bit numbers.
    fn floats(&self, file: &str, name: &str, shape: [usize; 2]) -> Result<Matrix, StatisticsError> {
        let bytes = self.tensor(file, name, Dtype::F32, &shape)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        let values = self.finite(file, name, numbers.iter().map(|x| f32::from_le_bytes(*x).into()).collect())?;
        let [rows, cols] = shape;
        Ok(Matrix::new(rows, cols, values.into_iter().map(|x| x as f32).collect()))
    }

    /// A module of a merge that was made layer by layer; `None` if it has no such module.
    pub(crate) fn solution_of(&self, module: &str) -> Result<Option<Solution>, StatisticsError> {
        let Some(entry) = self.solutions.get(module) else { return Ok(None) };
        let a = self.floats(&entry.file, &entry.tensor(), entry.shape)?;
        Ok(Some(Solution { a, condition: entry.condition, residual: entry.residual }))
    }

    /// Whether others are read from the same files.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.folder == other.folder
    }

    /// The modules whose Fisher information is known.
    pub(crate) fn fisher_modules(&self) -> impl Iterator<Item = &str> {
        self.fisher.keys().map(String::as_str)
    }

    /// The bytes of a tensor that has this type and shape.
    fn tensor(&self, file: &str, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Vec<u8>, StatisticsError> {
        let path = self.folder.join(file);
        let found = read_header(&self.folder, file).map_err(StatisticsError::Tensors)?;
        let expected = || format!("{dtype:?} of shape {shape:?}");
        let Some(tensor) = found.get(name) else {
            let found = "not there".to_owned();
            return Err(StatisticsError::Tensor { path, tensor: name.to_owned(), expected: expected(), found });
        };
        if tensor.dtype != dtype || tensor.shape != shape {
            let found = format!("{:?} of shape {:?}", tensor.dtype, tensor.shape);
            return Err(StatisticsError::Tensor { path, tensor: name.to_owned(), expected: expected(), found });
        }
        read_part(&path, tensor.offset_bytes, tensor.len_bytes).map_err(|source| StatisticsError::Read { path, source })
    }

    fn finite(&self, file: &str, name: &str, values: Vec<f64>) -> Result<Vec<f64>, StatisticsError> {
        if values.iter().all(|x| x.is_finite()) {
            return Ok(values);
        }
        Err(StatisticsError::NotFinite { path: self.folder.join(file), tensor: name.to_owned() })
    }
}

/// Whether a file may bear this name.
fn is_layer(name: &str) -> bool {
    let number = name.strip_prefix("layer-").and_then(|name| name.strip_suffix(".safetensors"));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_part(path: &Path, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
