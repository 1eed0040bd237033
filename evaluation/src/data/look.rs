//! The content of a split, without decoding its images.

use super::{
    DataError, DataOutline, Raw, Reader, Source,
    decode::{Decoder, is_plain},
    parquet::{ImageColumns, ParquetSet},
    read_error, select,
};
use crate::limits::read_small;
use jobs::DataFiles;
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::PathBuf,
};

/// Bytes of encoded images that a look at a split reads at most: some seconds.
const LOOK_BYTES: u64 = 256 << 20;

/// Bytes at the beginning of an image that identify its format.
const MAGIC_BYTES: u64 = 64;

impl Source<'_> {
    /// Looks at headers and columns, and whether the selected rows are there. Of the files no more need be readable
    /// than their footers. The outline knows no labels.
    ///
    /// # Errors
    /// All that is wrong: for each file and column the first error.
    pub fn look_at_headers(&self) -> Result<DataOutline, Vec<DataError>> {
        if let DataFiles::Parquet(paths) = self.files {
            let columns = ImageColumns { image: self.image_column, label: self.label_column };
            none(paths.iter().flat_map(|path| columns.check(path)).collect())?;
        }
        let reader = self.open().map_err(one)?;
        let rows = select(self.rows, reader.rows(), self.path()).map_err(one)?;
        Ok(DataOutline::of_headers(reader.classes(), rows.len() as u64))
    }

    /// Looks at what [`look_at_headers`](Self::look_at_headers) does, at all labels of the selected rows, and at the
    /// images: the first one is decoded, of others beginning and end are looked at, up to some hundred megabytes of
    /// them.
    ///
    /// Labels are counted against the class names of the data set, or against `classes` where it states none.
    ///
    /// # Errors
    /// All that is wrong: the first bad label and the first bad image of those that are looked at.
    pub fn look(&self, classes: Option<usize>) -> Result<DataOutline, Vec<DataError>> {
        self.look_at_headers().map_err(|errors| self.with_labels(errors, classes))?;
        let reader = self.open().map_err(one)?;
        let mut rows = select(self.rows, reader.rows(), self.path()).map_err(one)?;
        rows.sort_unstable();
        let names = reader.classes();
        let labels = self.look_at_labels(&*reader, &rows, names.as_ref().map(Vec::len).or(classes));
        let images = self.look_at_images(&*reader, &rows);
        match (labels, images) {
            (Ok(labels), Ok(())) => Ok(DataOutline::new(names, labels)),
            (labels, images) => Err([labels.err(), images.err()].into_iter().flatten().collect()),
        }
    }

    /// Adds what is wrong with labels to errors that are about the column of images alone.
    fn with_labels(&self, mut errors: Vec<DataError>, classes: Option<usize>) -> Vec<DataError> {
        let is_of_images = |error: &DataError| match error {
            DataError::MissingColumn { column, .. } | DataError::WrongColumn { column, .. } => {
                column == self.image_column && column != self.label_column
            }
            DataError::Read { .. }
            | DataError::Format { .. }
            | DataError::Kind { .. }
            | DataError::Missing { .. }
            | DataError::Image { .. }
            | DataError::Label { .. }
            | DataError::NoClass { .. }
            | DataError::ClassNames { .. }
            | DataError::OtherClassNames { .. }
            | DataError::TooLarge { .. }
            | DataError::Row { .. }
            | DataError::Empty { .. }
            | DataError::TooFewRows { .. }
            | DataError::Size { .. } => false,
        };
        if let DataFiles::Parquet(paths) = self.files
            && errors.iter().all(is_of_images)
        {
            errors.extend(self.look_at_labels_alone(paths, classes).err());
        }
        errors
    }

    fn look_at_labels_alone(&self, paths: &[PathBuf], classes: Option<usize>) -> Result<(), DataError> {
        let reader = ParquetSet::open_labels(paths, self.label_column)?;
        let mut rows = select(self.rows, reader.rows(), self.path())?;
        rows.sort_unstable();
        self.look_at_labels(&reader, &rows, reader.classes().as_ref().map(Vec::len).or(classes)).map(drop)
    }

    /// How often each label occurs.
    fn look_at_labels(
        &self,
        reader: &dyn Reader,
        rows: &[u64],
        classes: Option<usize>,
    ) -> Result<BTreeMap<u32, u64>, DataError> {
        let classes = classes.map_or(u64::from(u32::MAX), |classes| classes as u64);
        let mut labels = BTreeMap::new();
        reader.labels(rows, &mut |path, row, label| match u32::try_from(label) {
            Ok(known) if u64::from(known) < classes => {
                *labels.entry(known).or_default() += 1;
                Ok(())
            }
            _ => Err(DataError::Label { path: path.into(), row, column: self.label_column.into(), label, classes }),
        })?;
        Ok(labels)
    }

    fn look_at_images(&self, reader: &dyn Reader, rows: &[u64]) -> Result<(), DataError> {
        let decoder = Decoder::new();
        let mut is_first = true;
        let mut left = LOOK_BYTES;
        // A small file may hold many images: one that comes again and again. Readers end at an error alone.
        let mut is_enough = false;
        let end = || DataError::Empty { path: self.path().into(), rows: 0 };
        let looked = reader.read(&rows[..self.rows_to_look_at(reader.rows(), rows.len())], &mut |examples| {
            examples.into_iter().try_for_each(|example| {
                is_enough = left == 0 && matches!(example.image, Raw::Encoded(_));
                if is_enough {
                    return Err(end());
                }
                let is_plain = !std::mem::take(&mut is_first) && is_plain_image(&example.image, &mut left)?;
                if is_plain { Ok(()) } else { decoder.decode(example).map(drop) }
            })
        });
        if is_enough { Ok(()) } else { looked }
    }

    /// How many of so many selected rows, out of `all`, hold what may be read.
    fn rows_to_look_at(&self, all: u64, selected: usize) -> usize {
        let DataFiles::Parquet(paths) = self.files else { return selected };
        let bytes: u64 = paths.iter().filter_map(|path| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum();
        let per_row = bytes.checked_div(all).unwrap_or(0).max(1);
        selected.min(usize::try_from(LOOK_BYTES / per_row).unwrap_or(usize::MAX).max(1))
    }
}

/// Whether an image begins and ends as one that can be decoded. What does not may be one all the same.
///
/// Files are read whole as long as they are among the bytes that are `left`; of others only the beginning is looked at.
fn is_plain_image(image: &Raw, left: &mut u64) -> Result<bool, DataError> {
    match image {
        Raw::Decoded(_) => Ok(true),
        Raw::Encoded(bytes) => {
            *left = left.saturating_sub(bytes.len() as u64);
            Ok(is_plain(bytes))
        }
        Raw::File(path) => {
            let bytes = fs::metadata(path).map_err(read_error(path))?.len();
            if bytes <= *left {
                *left -= bytes;
                return read_small(path, LOOK_BYTES).map(|bytes| is_plain(&bytes)).map_err(read_error(path));
            }
            let mut start = Vec::new();
            let file = File::open(path).map_err(read_error(path))?;
            file.take(MAGIC_BYTES).read_to_end(&mut start).map_err(read_error(path))?;
            Ok(image::guess_format(&start).is_ok_and(|format| format.reading_enabled()))
        }
    }
}

fn one(error: DataError) -> Vec<DataError> {
    vec![error]
}

fn none(errors: Vec<DataError>) -> Result<(), Vec<DataError>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
