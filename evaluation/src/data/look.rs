//! What a split holds, told without decoding its pictures.

use super::{
    DataError, Raw, Reader, Source, decode,
    parquet::{PictureColumns, count_labels, read_labels},
    read_error, select,
};
use jobs::DataFiles;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

/// Bytes of encoded pictures that a look at a split reads at most: some seconds.
const LOOK_BYTES: u64 = 256 << 20;

/// Bytes at the beginning of a picture that tell its format.
const MAGIC_BYTES: u64 = 64;

/// What a look at a split told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The number of rows that are taken.
    pub rows: u64,
    /// The class names, if the data set states them.
    pub classes: Option<Vec<String>>,
}

impl Source<'_> {
    /// Looks at headers and columns, and whether the selected rows are there. Of the files no more need be readable than their
    /// footers.
    ///
    /// # Errors
    /// All that is wrong: for each file and column the first error.
    pub fn look_at_headers(&self) -> Result<Look, Vec<DataError>> {
        if let DataFiles::Parquet(paths) = self.files {
            let columns = PictureColumns { image: self.image_column, label: self.label_column };
            none(paths.iter().flat_map(|path| columns.check(path)).collect())?;
        }
        let reader = self.open().map_err(one)?;
        let rows = select(self.rows, reader.rows(), self.path()).map_err(one)?;
        Ok(Look { rows: rows.len() as u64, classes: reader.classes() })
    }

    /// Looks at what [`look_at_headers`](Self::look_at_headers) does, at all labels of the selected rows, and at the pictures: the
    /// first one is decoded, of others the format is recognised, up to some hundred megabytes of them.
    ///
    /// Labels are counted against the class names of the data set, or against `classes` where it states none.
    ///
    /// # Errors
    /// All that is wrong: the first bad label and the first bad picture of those that are looked at.
    pub fn look(&self, classes: Option<usize>) -> Result<Look, Vec<DataError>> {
        let look = self.look_at_headers().map_err(|errors| self.with_labels(errors, classes))?;
        let reader = self.open().map_err(one)?;
        let mut rows = select(self.rows, reader.rows(), self.path()).map_err(one)?;
        rows.sort_unstable();
        let limit = limit(look.classes.as_deref(), classes);
        let found = [self.look_at_labels(&*reader, &rows, limit), self.look_at_pictures(&*reader, &rows)];
        none(found.into_iter().filter_map(Result::err).collect())?;
        Ok(look)
    }

    /// Adds what is wrong with labels to errors that are about the column of pictures alone.
    fn with_labels(&self, mut errors: Vec<DataError>, classes: Option<usize>) -> Vec<DataError> {
        let is_of_pictures = |error: &DataError| match error {
            DataError::MissingColumn { column, .. } | DataError::WrongColumn { column, .. } => {
                column == self.image_column && column != self.label_column
            }
            _ => false,
        };
        if let DataFiles::Parquet(paths) = self.files
            && errors.iter().all(is_of_pictures)
        {
            errors.extend(self.look_at_labels_of(paths, classes).err());
        }
        errors
    }

    fn look_at_labels_of(&self, paths: &[PathBuf], classes: Option<usize>) -> Result<(), DataError> {
        let (all, stated) = count_labels(paths, self.label_column)?;
        let mut rows = select(self.rows, all, self.path())?;
        rows.sort_unstable();
        let classes = limit(stated.as_deref(), classes);
        read_labels(paths, self.label_column, &rows, &|path, row, label| self.check_label(path, row, label, classes))
    }

    fn look_at_labels(&self, reader: &dyn Reader, rows: &[u64], classes: u64) -> Result<(), DataError> {
        let check = |path: &Path, row: u64, label: i64| self.check_label(path, row, label, classes);
        match self.files {
            DataFiles::Parquet(paths) => read_labels(paths, self.label_column, rows, &check),
            _ => reader.read(rows, &mut |examples| {
                examples.iter().try_for_each(|example| check(&example.path, example.row, example.label))
            }),
        }
    }

    fn check_label(&self, path: &Path, row: u64, label: i64, classes: u64) -> Result<(), DataError> {
        match u64::try_from(label) {
            Ok(known) if known < classes => Ok(()),
            _ => Err(DataError::Label { path: path.into(), row, column: self.label_column.into(), label, classes }),
        }
    }

    fn look_at_pictures(&self, reader: &dyn Reader, rows: &[u64]) -> Result<(), DataError> {
        let mut is_first = true;
        reader.read(&rows[..self.rows_to_look_at(reader.rows(), rows.len())], &mut |examples| {
            examples.into_iter().try_for_each(|example| {
                let is_plain = !std::mem::take(&mut is_first) && is_known_format(&example.picture)?;
                if is_plain { Ok(()) } else { decode(example).map(drop) }
            })
        })
    }

    /// How many of so many selected rows, out of `all`, hold what may be read.
    fn rows_to_look_at(&self, all: u64, selected: usize) -> usize {
        let DataFiles::Parquet(paths) = self.files else { return selected };
        let bytes: u64 = paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
        let per_row = bytes.checked_div(all).unwrap_or(0).max(1);
        selected.min(usize::try_from(LOOK_BYTES / per_row).unwrap_or(usize::MAX).max(1))
    }
}

/// How many classes labels may count: those that the data set states, or those of a head.
fn limit(stated: Option<&[String]>, head: Option<usize>) -> u64 {
    stated.map(<[String]>::len).or(head).map_or(u64::from(u32::MAX), |limit| limit as u64)
}

/// Whether a picture begins as one of a format that can be decoded. What does not may be one all the same.
fn is_known_format(picture: &Raw) -> Result<bool, DataError> {
    let is_known = |bytes: &[u8]| image::guess_format(bytes).is_ok_and(|format| format.reading_enabled());
    match picture {
        Raw::Decoded(_) => Ok(true),
        Raw::Encoded(bytes) => Ok(is_known(bytes)),
        Raw::File(path) => {
            let mut start = Vec::new();
            let file = File::open(path).map_err(read_error(path))?;
            file.take(MAGIC_BYTES).read_to_end(&mut start).map_err(read_error(path))?;
            Ok(is_known(&start))
        }
    }
}

fn one(error: DataError) -> Vec<DataError> {
    vec![error]
}

fn none(errors: Vec<DataError>) -> Result<(), Vec<DataError>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
