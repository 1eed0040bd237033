use super::{Entry, INDEX, Index, InputStatistics, StatisticsError, VERSION, triangle};
use crate::{
    base::read_header,
    small_file::{INDEX_BYTES, read_small},
};
use safetensors::Dtype;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The statistics of one task in a folder. Gram matrices stay there until they are asked for.
#[derive(Debug, Clone)]
pub struct TaskStatistics {
    task: String,
    folder: PathBuf,
    examples: u64,
    /// By module.
    inputs: BTreeMap<String, Entry>,
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
        let named = |entry: Entry| entry.modules.clone().into_iter().map(move |module| (module, entry.clone()));
        let inputs = index.inputs.into_iter().flat_map(named).collect();
        Ok(Self { task: task.to_owned(), folder: folder.to_owned(), examples: index.examples, inputs })
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
        let (modules, tokens, width) = (entry.modules.clone(), entry.tokens, entry.width);
        let length = width.checked_mul(width.saturating_add(1)).map_or(usize::MAX, |_| triangle(width));
        let [sum, gram] = [("sum", width), ("gram", length)].map(|(what, length)| self.tensor(entry, what, length));
        Ok(Some(InputStatistics { modules, tokens, sum: sum?, gram: gram? }))
    }

    fn tensor(&self, entry: &Entry, what: &str, length: usize) -> Result<Vec<f64>, StatisticsError> {
        let path = self.folder.join(&entry.file);
        let name = entry.tensor(what);
        let found = read_header(&self.folder, &entry.file).map_err(StatisticsError::Tensors)?;
        let expected = || format!("F64 of shape [{length}]");
        let Some(tensor) = found.get(&name) else {
            let found = "not there".to_owned();
            return Err(StatisticsError::Tensor { path, tensor: name, expected: expected(), found });
        };
        if tensor.dtype != Dtype::F64 || tensor.shape != [length] {
            let found = format!("{:?} of shape {:?}", tensor.dtype, tensor.shape);
            return Err(StatisticsError::Tensor { path, tensor: name, expected: expected(), found });
        }
        let bytes = read_part(&path, tensor.offset_bytes, tensor.len_bytes)
            .map_err(|source| StatisticsError::Read { path: path.clone(), source })?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let values: Vec<f64> = numbers.iter().map(|number| f64::from_le_bytes(*number)).collect();
        if values.iter().all(|x| x.is_finite()) {
            Ok(values)
        } else {
            Err(StatisticsError::NotFinite { path, tensor: name })
        }
    }
}

fn read_part(path: &Path, offset: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
