//! A state as a file.

use super::{BegunEvaluation, Evaluation, TrainState, TrainStep, TrainedTensor};
use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::HashMap, io, path::Path};

/// The version of the layout.
const VERSION: u32 = 1;

/// The key of the metadata.
const KEY: &str = "bowline";

/// The tensors of each trained one.
const PARTS: [&str; 3] = ["values", "means", "squares"];

/// The tensor of each trained one after the best evaluation of early stopping.
const KEPT: &str = "kept";

/// Why a file is not the state of a run.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is no state, or a damaged one.
    #[error("the checkpoint is damaged: {problem}")]
    Damaged {
        /// What is wrong.
        problem: String,
    },
    /// It is of another version of the program.
    #[error("the checkpoint has version {found}, expected {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// It is the state of another run.
    #[error("the checkpoint is of another run: its base, data, head or settings differ")]
    OtherRun,
    /// The file cannot be written.
    #[error("the checkpoint cannot be written")]
    File(#[source] io::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    version: u32,
    /// What decides the run.
    run: String,
    /// The trained tensors in their order.
    tensors: Vec<String>,
    trace: Vec<TrainStep>,
    /// Of early stopping. With one or more, the file has the tensors that are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<Evaluation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begun: Option<BegunEvaluation>,
}

fn damaged(problem: impl ToString) -> StateError {
    StateError::Damaged { problem: problem.to_string() }
}

impl TrainState {
    /// The state as a safetensors file; `run` names what decides the run.
    ///
    /// # Errors
    /// The format cannot hold it.
    pub fn to_bytes(&self, run: &str) -> Result<Vec<u8>, StateError> {
        safetensors::serialize(self.parts(), Some(self.metadata(run)?)).map_err(damaged)
    }

    /// Writes the same to the file `path`, in place of what is there. One tensor at a time is in memory once more.
    ///
    /// # Errors
    /// The format cannot hold it, or the file cannot be written.
    pub fn write(&self, run: &str, path: &Path) -> Result<(), StateError> {
        let written = safetensors::serialize_to_file(self.parts(), Some(self.metadata(run)?), path);
        written.map_err(|error| match error {
            SafeTensorError::IoError(source) => StateError::File(source),
            error => damaged(error),
        })
    }

    fn metadata(&self, run: &str) -> Result<HashMap<String, String>, StateError> {
        let metadata = Metadata {
            version: VERSION,
            run: run.to_owned(),
            tensors: self.tensors.iter().map(|tensor| tensor.name.clone()).collect(),
            trace: self.trace.clone(),
            evaluations: self.evaluations.clone(),
            begun: self.begun,
        };
        Ok(HashMap::from([(KEY.to_owned(), serde_json::to_string(&metadata).map_err(damaged)?)]))
    }

    fn parts(&self) -> Vec<(String, StoredPart<'_>)> {
        let mut parts = Vec::with_capacity((PARTS.len() + 1) * self.tensors.len());
        for tensor in &self.tensors {
            for (part, values) in PARTS.iter().zip([&tensor.values, &tensor.means, &tensor.squares]) {
                parts.push((format!("{part}/{}", tensor.name), StoredPart { shape: &tensor.shape, values }));
            }
        }
        for (tensor, values) in self.tensors.iter().zip(&self.kept) {
            parts.push((format!("{KEPT}/{}", tensor.name), StoredPart { shape: &tensor.shape, values }));
        }
        parts
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote of the same run.
    ///
    /// # Errors
    /// A damaged file, another version, another run.
    pub fn from_bytes(bytes: &[u8], run: &str) -> Result<Self, StateError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        let text = text.ok_or_else(|| damaged("it has no metadata of a run"))?;
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version: found } = serde_json::from_str(text).map_err(damaged)?;
        if found != VERSION {
            return Err(StateError::Version { found });
        }
        let metadata: Metadata = serde_json::from_str(text).map_err(damaged)?;
        if metadata.run != run {
            return Err(StateError::OtherRun);
        }
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let names = metadata.tensors.iter().cloned();
        let tensors: Vec<TrainedTensor> = names.map(|name| tensor(&file, name)).collect::<Result<_, _>>()?;
        let kept = if metadata.evaluations.is_empty() {
            Vec::new()
        } else {
            let values = tensors.iter().map(|tensor| part(&file, KEPT, &tensor.name).map(|part| part.values));
            values.collect::<Result<_, _>>()?
        };
        let Metadata { trace, evaluations, begun, .. } = metadata;
        Ok(Self { tensors, trace, evaluations, kept, begun })
    }
}

/// One of the tensors that are stored of a trained one, as it is written: its bytes exist only while it is.
struct StoredPart<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl View for StoredPart<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// One of the tensors that are stored of a trained one, as it was read.
struct Part {
    shape: [usize; 2],
    values: Vec<f32>,
}

fn part(file: &SafeTensors<'_>, part: &str, name: &str) -> Result<Part, StateError> {
    let view = file.tensor(&format!("{part}/{name}")).map_err(damaged)?;
    let shape: [usize; 2] = view.shape().try_into().map_err(|_| damaged(format!("`{name}` is no matrix")))?;
    if view.dtype() != Dtype::F32 {
        return Err(damaged(format!("`{name}` is not of 32-bit floats")));
    }
    let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Part { shape, values })
}

fn tensor(file: &SafeTensors<'_>, name: String) -> Result<TrainedTensor, StateError> {
    let [values, means, squares] = PARTS;
    let Part { shape, values } = part(file, values, &name)?;
    let means = part(file, means, &name)?.values;
    let squares = part(file, squares, &name)?.values;
    Ok(TrainedTensor { name, shape, values, means, squares })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TrainState {
        let tensor = TrainedTensor {
            name: "q.lora_A".to_owned(),
            shape: [1, 2],
            values: vec![0.1, -0.2],
            means: vec![1e-30, 3.0],
            squares: vec![0.3, 1e-12],
        };
        let step = TrainStep { loss: 0.1 + 0.2, gradient_norm: 1.0 / 3.0, rate: 1e-5 };
        TrainState { tensors: vec![tensor], trace: vec![step], evaluations: Vec::new(), kept: Vec::new(), begun: None }
    }

    fn evaluated() -> TrainState {
        let evaluation = Evaluation { steps: 1, correct: 2, n: 3, loss: 0.1 + 0.7 };
        TrainState { evaluations: vec![evaluation], kept: vec![vec![0.5, -0.0]], ..state() }
    }

    #[test]
    fn a_state_reads_back_to_the_bit() {
        let bytes = state().to_bytes("run").unwrap();
        assert_eq!(TrainState::from_bytes(&bytes, "run").unwrap(), state());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        state().write("run", &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        let error = state().write("run", &path.join("below")).unwrap_err();
        assert!(matches!(error, StateError::File(_)), "{error}");
        assert!(
            !String::from_utf8_lossy(&bytes).contains("evaluations"),
            "without early stopping the file is as it was"
        );
        let bytes = evaluated().to_bytes("run").unwrap();
        assert_eq!(TrainState::from_bytes(&bytes, "run").unwrap(), evaluated());
        let begun = Some(BegunEvaluation { done: 2, correct: 1, loss: 0.1 + 0.2 });
        let bytes = TrainState { begun, ..evaluated() }.to_bytes("run").unwrap();
        assert_eq!(TrainState::from_bytes(&bytes, "run").unwrap().begun, begun);
    }

    #[test]
    fn a_state_with_evaluations_and_without_what_it_keeps_is_damaged() {
        let bytes = TrainState { kept: Vec::new(), ..evaluated() }.to_bytes("run").unwrap();
        assert!(TrainState::from_bytes(&bytes, "run").unwrap_err().to_string().contains("is damaged"));
    }

    #[test]
    fn a_state_of_another_run_or_version_is_refused_and_so_is_a_damaged_one() {
        let bytes = state().to_bytes("run").unwrap();
        let refused = |bytes: &[u8], run| TrainState::from_bytes(bytes, run).unwrap_err().to_string();
        assert!(refused(&bytes, "other").contains("is of another run"));
        let key = br#"\"version\":"#;
        let at = bytes.windows(key.len()).position(|window| window == key).unwrap();
        let mut other = bytes.clone();
        other[at + key.len()] = b'7';
        assert_eq!(refused(&other, "run"), "the checkpoint has version 7, expected 1");
        assert!(refused(&bytes[..bytes.len() - 1], "run").contains("is damaged"));
        assert!(refused(b"", "run").contains("is damaged"));
    }
}
