use super::{DataError, Example, Raw, Reader, SeeLabel, Take, read_error};
use crate::preprocess::Rgb;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// Examples handed over at once.
const CHUNK: usize = 1024;

/// MNIST's files: a header of big-endian numbers, then bytes; grey pictures and their labels.
pub(super) struct IdxPair {
    path: PathBuf,
    rows: u64,
    height: u32,
    width: u32,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// What is wrong with an IDX file.
#[derive(Debug, thiserror::Error)]
enum IdxProblem {
    #[error("it begins with {found:#010x}, expected {expected:#010x}")]
    Magic { found: u32, expected: u32 },
    #[error("it holds {found} bytes after its header, expected {expected}")]
    Length { found: usize, expected: u64 },
    #[error("it has {labels} labels for {pictures} pictures")]
    Count { labels: u32, pictures: u32 },
    #[error("its pictures have {height} × {width} pixels, expected at least one each way")]
    Size { height: u32, width: u32 },
    #[error("it ends inside its header")]
    Header,
}

impl IdxPair {
    pub(super) fn open(images: &Path, labels: &Path) -> Result<Self, DataError> {
        let (sizes, pixels) = parse::<3>(images, 0x0803)?;
        let (counts, label_bytes) = parse::<1>(labels, 0x0801)?;
        let [_, height, width] = sizes;
        if height == 0 || width == 0 {
            return Err(format(images, IdxProblem::Size { height, width }));
        }
        if counts[0] != sizes[0] {
            return Err(format(labels, IdxProblem::Count { labels: counts[0], pictures: sizes[0] }));
        }
        Ok(Self { path: images.into(), rows: sizes[0].into(), height, width, pixels, labels: label_bytes })
    }

    fn example(&self, row: u64) -> Example {
        let size = self.height as usize * self.width as usize;
        let grey = &self.pixels[row as usize * size..][..size];
        let pixels = grey.iter().flat_map(|&level| [level; 3]).collect();
        Example {
            path: self.path.clone(),
            row,
            label: self.labels[row as usize].into(),
            picture: Raw::Decoded(Rgb { width: self.width, height: self.height, pixels }),
        }
    }
}

impl Reader for IdxPair {
    fn rows(&self) -> u64 {
        self.rows
    }

    fn classes(&self) -> Option<Vec<String>> {
        None
    }

    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError> {
        rows.chunks(CHUNK).try_for_each(|rows| take(rows.iter().map(|&row| self.example(row)).collect()))
    }

    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError> {
        rows.iter().try_for_each(|&row| see(&self.path, row, self.labels[row as usize].into()))
    }
}

fn parse<const SIZES: usize>(path: &Path, magic: u32) -> Result<([u32; SIZES], Vec<u8>), DataError> {
    let mut bytes = std::fs::read(path).map_err(read_error(path))?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        let unpacked = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain);
        unpacked.map_err(|source| format(path, source))?;
        bytes = plain;
    }
    let number = |at: usize| {
        let four = bytes.get(4 * at..4 * at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_be_bytes).ok_or_else(|| format(path, IdxProblem::Header))
    };
    let found = number(0)?;
    if found != magic {
        return Err(format(path, IdxProblem::Magic { found, expected: magic }));
    }
    let mut sizes = [0; SIZES];
    for (n, size) in sizes.iter_mut().enumerate() {
        *size = number(n + 1)?;
    }
    let expected = sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size.into()));
    let values = bytes.split_off(4 * (SIZES + 1));
    if values.len() as u64 != expected {
        return Err(format(path, IdxProblem::Length { found: values.len(), expected }));
    }
    Ok((sizes, values))
}

fn format(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> DataError {
    DataError::Format { path: path.into(), kind: "IDX", source: Box::new(source) }
}
