use super::{Entry, FisherEntry, INDEX, Index, InputStatistics, SolutionEntry, StatisticsError, VERSION, tensor_name};
use crate::{SolvedModule, UpdateMatrix};
use safetensors::{Dtype, tensor::TensorView};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Writes the statistics of a task, a file for each layer, so that only one layer is in memory.
#[derive(Debug)]
pub struct StatisticsWriter {
    folder: PathBuf,
    inputs: Vec<Entry>,
    fisher: Vec<FisherEntry>,
    solutions: Vec<SolutionEntry>,
}

impl StatisticsWriter {
    /// Writes into an empty folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), inputs: Vec::new(), fisher: Vec::new(), solutions: Vec::new() }
    }

    /// Writes what is known of the inputs of one layer.
    ///
    /// # Errors
    /// The file cannot be written, or a number is not finite.
    pub fn layer(&mut self, layer: usize, inputs: &[InputStatistics]) -> Result<(), StatisticsError> {
        if inputs.is_empty() {
            return Ok(());
        }
        let file = format!("layer-{layer:03}.safetensors");
        let path = self.folder.join(&file);
        let mut tensors = Vec::new();
        for own in inputs {
            for (what, values) in [("gram", &own.gram), ("sum", &own.sum)] {
                let tensor = tensor_name(&own.modules, what);
                if !values.iter().all(|x| x.is_finite()) {
                    return Err(StatisticsError::NotFinite { path, tensor });
                }
                let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
                tensors.push((tensor, values.len(), bytes));
            }
            let modules = own.modules.clone();
            self.inputs.push(Entry { file: file.clone(), modules, tokens: own.tokens, width: own.width() });
        }
        let tensors: Vec<_> =
            tensors.iter().map(|(name, length, bytes)| (name.as_str(), Dtype::F64, vec![*length], &**bytes)).collect();
        write(&path, tensors)
    }

    /// Writes the mean Fisher information of the weight of a module, `[outputs, inputs]`, as `f32`.
    ///
    /// # Errors
    /// The file cannot be written, or a number is not finite.
    pub fn fisher(&mut self, module: &str, shape: [usize; 2], values: &[f64]) -> Result<(), StatisticsError> {
        let file = format!("layer-{:03}.safetensors", self.fisher.len());
        let path = self.folder.join(&file);
        let tensor = format!("{module}.fisher");
        if !values.iter().all(|x| (*x as f32).is_finite()) {
            return Err(StatisticsError::NotFinite { path, tensor });
        }
        let bytes: Vec<u8> = values.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect();
        write(&path, vec![(&tensor, Dtype::F32, shape.to_vec(), &bytes)])?;
        self.fisher.push(FisherEntry { file, module: module.to_owned(), shape });
        Ok(())
    }

    /// Writes the weights of one layer of a merge that is made layer by layer: the right factors, as `f32`. The left ones are
    /// those of the adapters.
    ///
    /// # Errors
    /// The file cannot be written, or a number is not finite.
    pub fn solutions(&mut self, layer: usize, solved: &[SolvedModule]) -> Result<(), StatisticsError> {
        let file = format!("layer-{layer:03}.safetensors");
        let path = self.folder.join(&file);
        let mut tensors = Vec::with_capacity(solved.len());
        for SolvedModule { module, update, condition, residual } in solved {
            let UpdateMatrix::LowRank { a, .. } = update else {
                unreachable!("a merge by inputs is made in factors");
            };
            let entry = SolutionEntry {
                file: file.clone(),
                module: module.clone(),
                shape: a.shape(),
                condition: *condition,
                residual: *residual,
            };
            let tensor = entry.tensor();
            let is_finite = a.data().iter().all(|x| x.is_finite()) && condition.is_finite() && residual.is_finite();
            if !is_finite {
                return Err(StatisticsError::NotFinite { path, tensor });
            }
            let bytes: Vec<u8> = a.data().iter().flat_map(|x| x.to_le_bytes()).collect();
            tensors.push(WrittenTensor { name: tensor, shape: a.shape(), bytes });
            self.solutions.push(entry);
        }
        if tensors.is_empty() {
            return Ok(());
        }
        let views = tensors.iter().map(|tensor| (&*tensor.name, Dtype::F32, tensor.shape.to_vec(), &*tensor.bytes));
        write(&path, views.collect())
    }

    /// Writes the index, which names all other files and how many examples they are of.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self, examples: u64) -> Result<(), StatisticsError> {
        let path = self.folder.join(INDEX);
        let index =
            Index { version: VERSION, examples, inputs: self.inputs, fisher: self.fisher, solutions: self.solutions };
        let text = serde_json::to_string_pretty(&index).expect("an index has names and numbers only");
        fs::write(&path, format!("{text}\n")).map_err(|source| StatisticsError::Write { path, source })
    }
}

/// A matrix of 32-bit numbers as it is written.
struct WrittenTensor {
    name: String,
    shape: [usize; 2],
    bytes: Vec<u8>,
}

/// Writes tensors, each with name, type, shape and bytes.
fn write(path: &Path, tensors: Vec<(&str, Dtype, Vec<usize>, &[u8])>) -> Result<(), StatisticsError> {
    let failed = |source| StatisticsError::Serialise { path: path.to_owned(), source: Box::new(source) };
    let mut views = Vec::with_capacity(tensors.len());
    for (name, dtype, shape, bytes) in tensors {
        views.push((name, TensorView::new(dtype, shape, bytes).map_err(failed)?));
    }
    let bytes = safetensors::serialize(views, None).map_err(failed)?;
    fs::write(path, bytes).map_err(|source| StatisticsError::Write { path: path.to_owned(), source })
}
