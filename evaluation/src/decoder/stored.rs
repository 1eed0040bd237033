//! Weights that stay where they are: in a mapped file, widened where they are read.

use super::half::{self, Half};
use crate::{
    ModelError,
    instructions::arch,
    model::{
        host::{pairs::pair_of_file, product::PANEL},
        weights::{Described, WeightFile, Weights},
    },
};
use candle_core::{Device, Tensor};
use safetensors::Dtype;
use std::sync::Arc;

/// Inputs that are turned at once: rows are read in whole cache lines.
const TURNED: usize = 32;

/// The number format of a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Full,
    Half(Half),
}

/// A tensor `[rows, columns]` in a mapped file, its shape and format checked. A clone shares the mapping.
#[derive(Clone)]
pub(crate) struct Stored {
    file: Arc<WeightFile>,
    tensor: Described,
    pub(crate) format: Format,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Stored {
    /// Looks a matrix or, with one dimension, a vector up.
    pub(crate) fn find(weights: &Weights, key: String, shape: &[usize]) -> Result<Self, ModelError> {
        let (file, tensor) = weights.find(&key, shape)?;
        let format = match tensor.dtype {
            Dtype::F32 => Format::Full,
            Dtype::BF16 => Format::Half(Half::Bf16),
            Dtype::F16 => Format::Half(Half::F16),
            other => {
                return Err(ModelError::TensorType { path: file.path().into(), key, found: format!("{other:?}") });
            }
        };
        let (rows, columns) = if let [rows, columns] = *shape { (rows, columns) } else { (1, shape.iter().product()) };
        Ok(Self { file: Arc::clone(file), tensor, format, rows, columns })
    }

    fn bytes(&self) -> &[u8] {
        self.file.bytes(&self.tensor)
    }

    /// Puts the tensor on a device, in the file's format.
    pub(crate) fn load(&self, device: &Device) -> Result<Tensor, ModelError> {
        self.file.load(&self.tensor, device)
    }

    /// Reads one row.
    pub(crate) fn row(&self, row: usize, to: &mut [f32]) {
        let bytes = |size: usize| &self.bytes()[row * self.columns * size..][..self.columns * size];
        match self.format {
            Format::Full => decode(to, bytes(4), f32::from_le_bytes),
            Format::Half(Half::Bf16) => decode(to, bytes(2), bf16),
            Format::Half(Half::F16) => decode(to, bytes(2), f16),
        }
    }

    /// Reads a part of a matrix `[outputs, inputs]` as products take it: `[depth, PANEL]`, the outputs of a panel from
    /// `output` on and the inputs from `input` on; zeros where the matrix has no more outputs.
    pub(crate) fn slab(&self, output: usize, input: usize, slab: &mut [f32]) {
        let turn = Turn { matrix: self.bytes(), columns: self.columns, rows: self.rows, row: output, column: input };
        arch().dispatch(|| match self.format {
            Format::Full => turn.write(slab, f32::from_le_bytes),
            Format::Half(Half::Bf16) => turn.write(slab, bf16),
            Format::Half(Half::F16) => turn.write(slab, f16),
        });
    }

    /// True if every row is a whole number of pairs of 16-bit numbers.
    pub(crate) fn has_pairs(&self) -> bool {
        self.columns.is_multiple_of(2)
    }

    /// Reads a part of a matrix in `bf16` that [has pairs](Self::has_pairs) as products of [pairs](crate::model::host::pairs) take it:
    /// `[depth, PANEL]`, the outputs of a panel from `output` on and the pairs from `pair` on.
    pub(crate) fn pair_slab(&self, output: usize, pair: usize, slab: &mut [u32]) {
        let turn = Turn { matrix: self.bytes(), columns: self.columns / 2, rows: self.rows, row: output, column: pair };
        arch().dispatch(|| turn.write(slab, |bytes| pair_of_file(u32::from_le_bytes(bytes))));
    }
}

/// A part of a matrix `[rows, columns]` whose rows become columns.
struct Turn<'a> {
    matrix: &'a [u8],
    columns: usize,
    rows: usize,
    row: usize,
    column: usize,
}

impl Turn<'_> {
    #[inline(always)]
    fn write<T: Copy + Default, const SIZE: usize>(self, slab: &mut [T], decode: impl Fn([u8; SIZE]) -> T) {
        let count = PANEL.min(self.rows - self.row);
        if count < PANEL {
            slab.fill(T::default());
        }
        for (block, column) in slab.chunks_mut(TURNED * PANEL).zip((self.column..).step_by(TURNED)) {
            for row in 0..count {
                let at = ((self.row + row) * self.columns + column) * SIZE;
                let numbers = self.matrix[at..at + block.len() / PANEL * SIZE].as_chunks::<SIZE>().0;
                for (line, number) in block.chunks_exact_mut(PANEL).zip(numbers) {
                    line[row] = decode(*number);
                }
            }
        }
    }
}

fn decode<const SIZE: usize>(to: &mut [f32], bytes: &[u8], decode: impl Fn([u8; SIZE]) -> f32) {
    to.iter_mut().zip(bytes.as_chunks::<SIZE>().0).for_each(|(to, number)| *to = decode(*number));
}

#[inline(always)]
fn bf16(number: [u8; 2]) -> f32 {
    half::bf16(u16::from_le_bytes(number))
}

#[inline(always)]
fn f16(number: [u8; 2]) -> f32 {
    half::f16(u16::from_le_bytes(number))
}
