use crate::{ModelError, transient::without_backtrace};
use candle_core::{Device, Tensor, safetensors::Load};
use files::MappedFile;
use safetensors::{Dtype, SafeTensors, tensor::Metadata, tensor::TensorView};
use std::{error::Error, ops::Range, path::Path};

/// A mapped safetensors file whose header was read.
///
/// Tensors are looked up in that header for as long as the file is open, whatever becomes of the header in the file.
#[derive(Debug)]
pub(crate) struct WeightFile {
    map: MappedFile,
    header: Metadata,
    /// Where the tensors' bytes begin.
    data: usize,
}

/// A tensor as the header describes it.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    bytes: Range<usize>,
}

impl WeightFile {
    pub(crate) fn open(path: &Path) -> Result<Self, ModelError> {
        let map = MappedFile::open(path).map_err(|source| ModelError::Read { path: path.into(), source })?;
        let (header_bytes, header) = SafeTensors::read_metadata(&map).map_err(|source| unreadable(path, source))?;
        // The length of the header comes before it.
        let data = header_bytes + size_of::<u64>();
        Ok(Self { map, header, data })
    }

    pub(crate) fn path(&self) -> &Path {
        self.map.path()
    }

    pub(crate) fn map(&self) -> &MappedFile {
        &self.map
    }

    /// What the header says of a tensor, if there is one of that name.
    pub(crate) fn find(&self, key: &str) -> Option<Described> {
        let info = self.header.info(key)?;
        let (start, end) = info.data_offsets;
        Some(Described { dtype: info.dtype, shape: info.shape.clone(), bytes: self.data + start..self.data + end })
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.header.info(key).is_some()
    }

    /// The bytes of a tensor of this file, as they are now.
    pub(crate) fn bytes(&self, tensor: &Described) -> &[u8] {
        &self.map[tensor.bytes.clone()]
    }

    /// Puts a tensor of this file on a device, in the file's format.
    pub(crate) fn load(&self, tensor: &Described, device: &Device) -> Result<Tensor, ModelError> {
        let view = TensorView::new(tensor.dtype, tensor.shape.clone(), self.bytes(tensor))
            .map_err(|source| unreadable(self.path(), source))?;
        view.load(device).map_err(|source| unreadable(self.path(), without_backtrace(source)))
    }
}

pub(super) fn unreadable(path: &Path, source: impl Error + Send + Sync + 'static) -> ModelError {
    ModelError::Weights { path: path.into(), source: Box::new(source) }
}
