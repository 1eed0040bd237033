use super::{DataError, Example, Raw, Reader, SeeLabel, Take, read_error};
use crate::{
    limits::{CHUNK_BYTES, Ceiling, IDX_BYTES, LimitExceeded},
    preprocess::Rgb,
};
use flate2::read::MultiGzDecoder;
use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::{Path, PathBuf},
};

/// Examples handed over at once, if they are small.
const CHUNK: u64 = 1024;

const UNPACKED: Ceiling = Ceiling {
    limit: IDX_BYTES,
    unit: "bytes",
    what: "the IDX file claims too many bytes after its header",
    remedy: "save the images as parquet files, which are not held in memory as a whole",
};

/// MNIST's files: a header of big-endian numbers, then bytes; grey images and their labels.
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
    Length { found: String, expected: u64 },
    #[error("it has {labels} labels for {images} images")]
    Count { labels: u32, images: u32 },
    #[error("its images have {height} × {width} pixels, expected at least one each way")]
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
            return Err(format(labels, IdxProblem::Count { labels: counts[0], images: sizes[0] }));
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
            image: Raw::Decoded(Rgb { width: self.width, height: self.height, pixels }),
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
        let bytes = 3 * u64::from(self.height) * u64::from(self.width);
        let chunk = (CHUNK_BYTES / bytes).clamp(1, CHUNK) as usize;
        rows.chunks(chunk).try_for_each(|rows| take(rows.iter().map(|&row| self.example(row)).collect()))
    }

    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError> {
        rows.iter().try_for_each(|&row| see(&self.path, row, self.labels[row as usize].into()))
    }
}

/// Reads a file, plain or gzipped, after its header was held against the length of the file and [`IDX_BYTES`].
fn parse<const SIZES: usize>(path: &Path, magic: u32) -> Result<([u32; SIZES], Vec<u8>), DataError> {
    let failed = read_error(path);
    let mut file = File::open(path).map_err(&failed)?;
    let length = file.metadata().map_err(&failed)?.len();
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(&failed)?;
    file.rewind().map_err(&failed)?;
    if start != [0x1f, 0x8b] {
        return values(magic, BufReader::new(file), Some(length)).map_err(|source| source.at(path, &failed));
    }
    let unpacked = MultiGzDecoder::new(BufReader::new(file));
    values(magic, unpacked, None).map_err(|source| source.at(path, |source| format(path, source)))
}

/// Why the content of a file cannot be read.
enum Refused {
    Read(std::io::Error),
    Problem(IdxProblem),
    TooLarge(LimitExceeded),
}

impl Refused {
    fn at(self, path: &Path, failed: impl Fn(std::io::Error) -> DataError) -> DataError {
        match self {
            Self::Read(source) => failed(source),
            Self::Problem(problem) => format(path, problem),
            Self::TooLarge(source) => DataError::TooLarge { path: path.into(), source },
        }
    }
}

/// The sizes in the header and the values after it; `length` is that of the file, if it is a plain one.
fn values<const SIZES: usize>(
    magic: u32,
    mut from: impl Read,
    length: Option<u64>,
) -> Result<([u32; SIZES], Vec<u8>), Refused> {
    let header_bytes = 4 * (SIZES + 1);
    let mut header = Vec::new();
    from.by_ref().take(header_bytes as u64).read_to_end(&mut header).map_err(Refused::Read)?;
    let number = |at: usize| {
        let four = header.get(4 * at..4 * at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_be_bytes).ok_or(Refused::Problem(IdxProblem::Header))
    };
    let found = number(0)?;
    if found != magic {
        return Err(Refused::Problem(IdxProblem::Magic { found, expected: magic }));
    }
    let mut sizes = [0; SIZES];
    for (n, size) in sizes.iter_mut().enumerate() {
        *size = number(n + 1)?;
    }
    let expected = sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size.into()));
    let wrong = |found: String| Refused::Problem(IdxProblem::Length { found, expected });
    if let Some(found) = length.map(|length| length.saturating_sub(header_bytes as u64))
        && found != expected
    {
        return Err(wrong(found.to_string()));
    }
    UNPACKED.check(expected).map_err(Refused::TooLarge)?;
    let mut values = Vec::new();
    from.take(expected + 1).read_to_end(&mut values).map_err(Refused::Read)?;
    match values.len() as u64 {
        found if found > expected => Err(wrong(format!("more than {expected}"))),
        found if found < expected => Err(wrong(found.to_string())),
        _ => Ok((sizes, values)),
    }
}

fn format(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> DataError {
    DataError::Format { path: path.into(), kind: "IDX", source: Box::new(source) }
}
