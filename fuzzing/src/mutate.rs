//! Changes of inputs, by format.

mod bytes;
mod gzip;
mod image_file;
mod json;
mod lines;
mod numbers;
mod parquet;
mod pickle;
mod safetensors;
mod yaml;

pub(crate) use gzip::packed;
pub(crate) use pickle::archive;
pub(crate) use safetensors::framed as safetensors_file;

use fastrand::Rng;

/// The format of a target's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON document.
    Json,
    /// One JSON document on each line.
    JsonLines,
    /// YAML, or JSON for YAML.
    Yaml,
    /// A header length, a JSON header, and tensors.
    Safetensors,
    /// A file of `torch.save`.
    Pickle,
    /// A parquet file.
    Parquet,
    /// PNG or JPEG.
    Image,
    /// IDX, plain or gzipped.
    Idx,
}

impl Format {
    /// `input` with one change. `others` lend parts.
    pub fn mutate(self, rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        if rng.u8(0..8) == 0 {
            return bytes::mutate(rng, input, others);
        }
        match self {
            Self::Json => json::mutate(rng, input),
            Self::JsonLines => lines::mutate(rng, input),
            Self::Yaml => yaml::mutate(rng, input),
            Self::Safetensors => safetensors::mutate(rng, input),
            Self::Pickle => pickle::mutate(rng, input, others),
            Self::Parquet => parquet::mutate(rng, input, others),
            Self::Image => image_file::mutate(rng, input, others),
            Self::Idx => gzip::mutate_idx(rng, input, others),
        }
    }
}

/// One of `items`, which are not none.
fn one<'a, T: ?Sized>(rng: &mut Rng, items: &'a [&'a T]) -> &'a T {
    items[rng.usize(0..items.len())]
}

/// A place in so many bytes, the end included.
fn place(rng: &mut Rng, length: usize) -> usize {
    rng.usize(0..=length)
}
