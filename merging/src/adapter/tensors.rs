use super::AdapterError;
use crate::torch_file::{TorchError, TorchFile};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Why a tensor without elements is refused.
pub(super) const NOTHING_SAVED: &str =
    "nothing was saved; gather the weights first (DeepSpeed ZeRO-3, FSDP) and save again";

/// A tensor as the file holds it, in `f32`.
pub(super) struct RawTensor {
    /// The type in the file.
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

impl RawTensor {
    /// Whether it has no elements, as what was not gathered before it was saved.
    pub(super) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }
}

/// The adapter's tensors by name, and the file they come from.
pub(super) fn read(folder: &Path) -> Result<(PathBuf, BTreeMap<String, RawTensor>), AdapterError> {
    let safe = folder.join("adapter_model.safetensors");
    let pickled = folder.join("adapter_model.bin");
    if !safe.exists() && pickled.exists() {
        return read_pickle(&pickled).map(|tensors| (pickled, tensors));
    }
    read_safe(&safe).map(|tensors| (safe, tensors))
}

fn read_safe(path: &Path) -> Result<BTreeMap<String, RawTensor>, AdapterError> {
    let bytes = std::fs::read(path).map_err(|source| AdapterError::Read { path: path.to_owned(), source })?;
    // As lengths of a safetensors header, both would be far too large for an adapter.
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80\x02\x8a\x0a") {
        let source = "it is a file of `torch.save`: name it `adapter_model.bin`".into();
        return Err(AdapterError::WeightsForm { path: path.to_owned(), source });
    }
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| AdapterError::Weights { path: path.to_owned(), source: Box::new(source) })?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let raw = raw(path, &name, view.dtype(), view.shape(), view.data())?;
        Ok((name, raw))
    });
    tensors.collect()
}

fn read_pickle(path: &Path) -> Result<BTreeMap<String, RawTensor>, AdapterError> {
    let refused = |source: TorchError| {
        let path = path.to_owned();
        match source {
            TorchError::Code(callable) => AdapterError::PickleCode { path, callable },
            TorchError::Read(source) => AdapterError::Read { path, source },
            TorchError::Damaged(_) => AdapterError::Weights { path, source: source.into() },
            TorchError::Form(_) => AdapterError::WeightsForm { path, source: source.into() },
        }
    };
    let file = TorchFile::open(path).map_err(refused)?;
    let tensors = file.tensors().iter().map(|(name, tensor)| {
        let bytes = file.read(tensor).map_err(refused)?;
        Ok((name.clone(), raw(path, name, tensor.dtype, &tensor.shape, &bytes)?))
    });
    tensors.collect()
}

fn raw(path: &Path, tensor: &str, dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Result<RawTensor, AdapterError> {
    let values = decode(dtype, bytes).ok_or_else(|| {
        let dtype = format!("{dtype:?}");
        AdapterError::Dtype { path: path.to_owned(), tensor: tensor.to_owned(), dtype }
    })?;
    Ok(RawTensor { dtype, shape: shape.to_vec(), values })
}

/// The little-endian floats of `bytes` as `f32`; `None` for other types.
pub(crate) fn decode(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks().0.iter().copied().map(value).collect()
    }
    match dtype {
        Dtype::F32 => Some(each(bytes, f32::from_le_bytes)),
        Dtype::F16 => Some(each(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Some(each(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        Dtype::F64 => Some(each(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        _ => None,
    }
}

/// `values` rounded to `dtype`, little-endian; `None` for types other than floats.
pub(crate) fn encode(dtype: Dtype, values: &[f32]) -> Option<Vec<u8>> {
    match dtype {
        Dtype::F32 => Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Dtype::F16 => Some(values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect()),
        Dtype::BF16 => Some(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect()),
        Dtype::F64 => Some(values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect()),
        _ => None,
    }
}
