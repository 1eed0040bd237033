//! Labelled images on disk, in the layouts they come in.

mod decode;
mod error;
mod folder;
mod idx;
mod look;
mod outline;
mod parquet;
mod rows;

pub(crate) use decode::Decoder;
pub use decode::ImageProblem;
pub use error::DataError;
pub use outline::DataOutline;
pub(crate) use rows::select;

/// Tables, whatever their columns hold.
pub(crate) mod table {
    pub(crate) use super::parquet::{Column, Table, columns, integer, is_binary, is_integer};
}

use crate::preprocess::Rgb;
use jobs::{DataFiles, Rows};
use std::path::{Path, PathBuf};

/// One split of a data set: its files, columns, and the rows taken.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The files.
    pub files: &'a DataFiles,
    /// The column with the images, where files have columns.
    pub image_column: &'a str,
    /// The column with the labels, where files have columns.
    pub label_column: &'a str,
    /// The rows taken.
    ///
    /// A shuffle is Fisher–Yates from the last row down: for `i = n − 1, …, 1`, row `i` changes places with row `⌊x ·
    /// (i + 1) / 2⁶⁴⌋`, where `x` is the next 64-bit draw of ChaCha20 whose key is the seed as eight little-endian
    /// bytes followed by zeros. That of [`Rows::TrainTestSplit`] is NumPy's `default_rng(seed).permutation(n)`.
    pub rows: &'a Rows,
}

/// A row as it lies on disk.
pub(crate) struct Example {
    pub(crate) path: PathBuf,
    pub(crate) row: u64,
    pub(crate) label: i128,
    pub(crate) image: Raw,
}

/// An image as it lies on disk.
pub(crate) enum Raw {
    Encoded(Vec<u8>),
    File(PathBuf),
    Decoded(Rgb),
}

/// Sees the label of a row: the file, the row in it, the label.
pub(crate) type SeeLabel<'a> = dyn FnMut(&Path, u64, i128) -> Result<(), DataError> + 'a;

/// Takes the examples of a chunk, in the order asked for.
pub(crate) type Take<'a> = dyn FnMut(Vec<Example>) -> Result<(), DataError> + 'a;

/// A data set that is open.
pub(crate) trait Reader {
    /// Number of rows.
    fn rows(&self) -> u64;

    /// The class names, if the data set states them.
    fn classes(&self) -> Option<Vec<String>>;

    /// Hands over the rows with these ascending numbers (a number may repeat), in chunks of bounded size.
    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError>;

    /// Shows the labels of the rows with these ascending numbers; no image is read.
    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError>;
}

impl Source<'_> {
    pub(crate) fn open(&self) -> Result<Box<dyn Reader>, DataError> {
        Ok(match self.files {
            DataFiles::Parquet(paths) => {
                Box::new(parquet::ParquetSet::open(paths, self.image_column, self.label_column)?)
            }
            DataFiles::Jsonl(_) => return Err(DataError::Kind { path: self.path().into(), expected: "images" }),
            DataFiles::ImageFolder { folder, classes, images } => {
                Box::new(folder::ImageFolder::open(folder, classes, images)?)
            }
            DataFiles::Idx { images, labels } => Box::new(idx::IdxPair::open(images, labels)?),
        })
    }

    /// The file that stands for the data set in messages.
    pub(crate) fn path(&self) -> &Path {
        path(self.files)
    }
}

/// The file that stands for a data set in messages.
pub(crate) fn path(files: &DataFiles) -> &Path {
    match files {
        DataFiles::Parquet(paths) | DataFiles::Jsonl(paths) => paths.first().map_or(Path::new(""), PathBuf::as_path),
        DataFiles::ImageFolder { folder: path, .. } | DataFiles::Idx { images: path, .. } => path,
    }
}

/// A label as the number of a class: below the number of `classes`, if they are known.
pub(crate) fn class_of(
    path: &Path,
    row: u64,
    label: i128,
    column: &str,
    classes: Option<&[String]>,
) -> Result<u32, DataError> {
    let classes = classes.map_or(u64::from(u32::MAX), |classes| classes.len() as u64);
    match u32::try_from(label) {
        Ok(label) if u64::from(label) < classes => Ok(label),
        _ => Err(DataError::Label { path: path.into(), row, column: column.into(), label, classes }),
    }
}

pub(crate) fn read_error(path: &Path) -> impl Fn(std::io::Error) -> DataError + '_ {
    |source| DataError::Read { path: path.into(), source }
}
