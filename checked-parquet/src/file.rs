use crate::{Limits, chunks::Chunks, footer::check_footer, pages::CheckedGroup};
use parquet::{
    errors::{ParquetError, Result},
    file::{
        metadata::ParquetMetaData,
        reader::{ChunkReader, FileReader, SerializedFileReader},
    },
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// A parquet file whose claims are checked before the library uses them.
pub struct CheckedFile<R: ChunkReader + 'static> {
    reader: SerializedFileReader<Chunks<R>>,
    limits: Limits,
}

impl<R: ChunkReader + 'static> CheckedFile<R> {
    /// Checks the footer of `source`, and reads it.
    ///
    /// # Errors
    /// The source cannot be read, is no parquet file, contradicts itself, or claims more than `limits` allow.
    pub fn open(source: R, limits: Limits) -> Result<Self> {
        check_footer(&source)?;
        let chunks = Chunks::new(source, limits);
        let reader = guarded(|| SerializedFileReader::new(chunks.clone()))?;
        for group in reader.metadata().row_groups() {
            limits.check_rows(u64::try_from(group.num_rows()).unwrap_or_default())?;
        }
        guarded(|| chunks.expect_pages(reader.metadata()))?;
        Ok(Self { reader, limits })
    }

    /// What the footer says.
    pub fn metadata(&self) -> &ParquetMetaData {
        self.reader.metadata()
    }

    /// A row group, whose pages are checked as they are read.
    ///
    /// # Errors
    /// There is no such group.
    pub fn row_group(&self, number: usize) -> Result<CheckedGroup<'_>> {
        Ok(CheckedGroup { group: self.reader.get_row_group(number)?, limits: self.limits })
    }
}

impl<R: ChunkReader + 'static> fmt::Debug for CheckedFile<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedFile").field("rows", &self.metadata().file_metadata().num_rows()).finish()
    }
}

/// Runs a call of the library, which panics over some files that contradict themselves.
///
/// # Errors
/// Those of `work`, or it has panicked.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    let given_up = || ParquetError::General("the file contradicts itself: it is damaged".to_owned());
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(given_up()))
}
