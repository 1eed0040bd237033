use super::Frame;
use crate::tables::as_text;
use polars::prelude::{ChunkApply, Column, DataFrame, DataType, IntoColumn, PolarsError};
use polars_io::prelude::{CsvWriter, ParquetWriter, SerWriter};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use store::StoreError;
use tempfile::NamedTempFile;

/// Why a frame cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The store cannot be read at all.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The columns do not go together.
    #[error("cannot put the results into a table")]
    Build {
        /// The error of polars.
        source: PolarsError,
    },
    /// The table does not answer.
    #[error("cannot query the table of results")]
    Query {
        /// The error of polars.
        source: PolarsError,
    },
    /// The store does not have the sweep.
    #[error("there is no sweep `{name}` in {store}")]
    NoSweep {
        /// The sweep.
        name: String,
        /// Where the store lies.
        store: String,
    },
    /// The file cannot be made.
    #[error("cannot create `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The table cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The error of polars.
        source: PolarsError,
    },
}

impl Frame {
    /// Writes the table as CSV, with a line of names first. A text that a spreadsheet would take for a formula begins
    /// with an apostrophe.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn write_csv(&self, path: &Path) -> Result<(), FrameError> {
        write(path, |file| CsvWriter::new(file).include_header(true).finish(&mut self.without_formulas()?))
    }

    fn without_formulas(&self) -> Result<DataFrame, PolarsError> {
        let text = |column: &Column| match column.dtype() {
            DataType::String => Ok(column.str()?.apply_values(as_text).into_column()),
            _ => Ok(column.clone()),
        };
        let named =
            |column: &Column| text(column).map(|column_of| column_of.with_name(as_text(column.name()).as_ref().into()));
        let columns = self.table.columns().iter().map(named).collect::<Result<Vec<_>, PolarsError>>()?;
        DataFrame::new(self.table.height(), columns)
    }

    /// Writes the table as parquet.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn write_parquet(&self, path: &Path) -> Result<(), FrameError> {
        write(path, |file| ParquetWriter::new(file).finish(&mut self.table.clone()).map(drop))
    }
}

/// Writes to a temporary file in the same folder first, so that a reader never finds half a table and a failure leaves
/// no file.
fn write(path: &Path, write: impl FnOnce(&mut File) -> Result<(), PolarsError>) -> Result<(), FrameError> {
    let create = |source| FrameError::Create { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = temporary(folder).map_err(create)?;
    write(file.as_file_mut()).map_err(|source| FrameError::Write { path: path.to_owned(), source })?;
    file.as_file().sync_all().map_err(create)?;
    file.persist(path).map_err(|error| create(error.error)).map(drop)
}

fn temporary(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    // Temporary files are private by default; a table is as readable as any file that the user makes.
    #[cfg(unix)]
    let builder = builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".results").tempfile_in(folder)
}
