//! Files of `torch.save`, read as data: nothing in them is ever executed.
//!
//! Two forms are read. Since torch 1.6 a file is a ZIP archive of `data.pkl` and one uncompressed entry for each
//! storage. Before, and with `_use_new_zipfile_serialization=False`, it is a row of pickles with the storages behind
//! them. Pickle protocols 2 to 5 are read. What a file claims is held against its length before anything is allocated.

mod archive;
mod legacy;
mod pickle;
mod state_dict;

use safetensors::Dtype;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// The state dict in a file of `torch.save`.
pub(crate) struct TorchFile {
    path: PathBuf,
    tensors: BTreeMap<String, TorchTensor>,
}

/// A tensor in a file: a view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TorchTensor {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Steps between neighbours of each dimension, in elements.
    strides: Vec<usize>,
    /// Where the first element lies in the file, in bytes.
    start: u64,
    /// From the first to the last element, in bytes.
    span: u64,
}

/// Why a file of `torch.save` is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TorchError {
    /// The system says no.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Bytes that contradict each other.
    #[error("{0}")]
    Damaged(String),
    /// A form that is valid and not read.
    #[error("{0}")]
    Form(String),
    /// The pickle names code to be run.
    #[error("it calls `{0}`")]
    Code(String),
}

impl TorchFile {
    /// Reads what the file holds, and no tensor's content yet.
    pub(crate) fn open(path: &Path) -> Result<Self, TorchError> {
        let mut file = File::open(path)?;
        let mut first = [0; 265];
        let length = read_up_to(&mut file, &mut first)?;
        let first = &first[..length];
        file.rewind()?;
        let tensors = match first {
            // The length of a header, which is far below 2³², and its first character.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => {
                return Err(TorchError::Form("it is a safetensors file: name it `….safetensors`".to_owned()));
            }
            [b'P', b'K', ..] => archive::read(file)?,
            [0x80, 2..=5, ..] => legacy::read(file)?,
            _ if first.get(257..262) == Some(b"ustar") => {
                return Err(TorchError::Form("it is a TAR archive, as torch before 0.1.10 wrote them".to_owned()));
            }
            _ => {
                let expected = "it is neither a ZIP archive nor a pickle, so `torch.save` did not write it";
                return Err(TorchError::Damaged(expected.to_owned()));
            }
        };
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// All tensors by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TorchTensor> {
        &self.tensors
    }

    /// The bytes of a tensor, little-endian, in the order of rows.
    pub(crate) fn read(&self, tensor: &TorchTensor) -> Result<Vec<u8>, TorchError> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(tensor.start))?;
        let mut span = vec![0; usize::try_from(tensor.span).map_err(|_| too_large())?];
        file.read_exact(&mut span)?;
        Ok(if tensor.is_contiguous() { span } else { tensor.gathered(&span) })
    }
}

impl TorchTensor {
    /// Checks a view against the storage that it looks at.
    fn new(
        dtype: Dtype,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        storage: &Storage,
    ) -> Result<Self, String> {
        let width = (dtype.bitsize() / 8) as u64;
        if shape.len() != strides.len() {
            return Err(format!("has the shape {shape:?} and the strides {strides:?}"));
        }
        let count = shape.iter().try_fold(1u64, |count, side| count.checked_mul(*side as u64));
        let last = shape.iter().zip(&strides).try_fold(0u64, |last, (side, stride)| {
            last.checked_add((*stride as u64).checked_mul((*side as u64).saturating_sub(1))?)
        });
        let (Some(count), Some(last)) = (count, last) else { return Err(format!("has the shape {shape:?}")) };
        if count == 0 {
            return Ok(Self { dtype, shape, strides, start: storage.start, span: 0 });
        }
        let end = (offset as u64).checked_add(last).and_then(|last| last.checked_add(1)?.checked_mul(width));
        // A view may repeat elements, but a state dict that claims more of them than its storage has is not one.
        let claimed = count.checked_mul(width).zip(end).map(|(bytes, end)| bytes.max(end));
        if claimed.is_none_or(|claimed| claimed > storage.bytes) {
            return Err(format!(
                "has the shape {shape:?}, the strides {strides:?} and the offset {offset}, but its storage has {} bytes",
                storage.bytes
            ));
        }
        Ok(Self { dtype, shape, strides, start: storage.start + offset as u64 * width, span: (last + 1) * width })
    }

    /// Where the tensor's bytes start in the file, and how many they are, if they lie there in the order of rows.
    pub(crate) fn contiguous(&self) -> Option<(u64, u64)> {
        self.is_contiguous().then_some((self.start, self.span))
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        let fits = |(side, stride): (&usize, &usize)| {
            let is_right = *side == 1 || *stride == expected;
            expected *= side;
            is_right
        };
        self.span == 0 || self.shape.iter().zip(&self.strides).rev().all(fits)
    }

    /// The elements of a strided view, one after the other.
    fn gathered(&self, span: &[u8]) -> Vec<u8> {
        let width = self.dtype.bitsize() / 8;
        let mut bytes = Vec::with_capacity(self.shape.iter().product::<usize>() * width);
        let mut index = vec![0; self.shape.len()];
        loop {
            let at: usize = index.iter().zip(&self.strides).map(|(index, stride)| index * stride * width).sum();
            bytes.extend_from_slice(&span[at..at + width]);
            // The next index, the last dimension first; past the last one all dimensions are back at 0.
            let Some(next) = (0..index.len()).rev().find(|dimension| index[*dimension] + 1 < self.shape[*dimension])
            else {
                return bytes;
            };
            index[next] += 1;
            index[next + 1..].fill(0);
        }
    }
}

/// Where a storage lies in the file.
struct Storage {
    start: u64,
    bytes: u64,
}

fn too_large() -> TorchError {
    TorchError::Damaged("it claims more than this machine can address".to_owned())
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}
