mod rows;
#[cfg(test)]
mod tests;

use crate::Results;
use jobs::Outcome;
use polars::prelude::{Column, CsvWriter, DataFrame, ParquetWriter, PolarsError, SerWriter};
use rows::Flat;
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// One row per result and task, for any tool that reads tables.
///
/// The columns: `sweep` and `row` (empty for a whole store); `subject` (`base`, `adapter`, `merge`), `space`, `axis`,
/// `drop_rate`, `drop_seed`, `density`, `trim_scope`, `elect`, `combine`, `common_share`, `scaling`, `weights` (JSON);
/// `split`, `benchmark`, `task`, `n`, `correct`, `accuracy`, `normalised`, `hits_1`, `hits_3`, `hits_5`, `hits_10`;
/// `load_s`, `align_s`, `merge_s`, `evaluate_s` of the whole job; `worker`, `device`, `attempt`, `finished_ms`, `job`.
/// Shares are in [0, 1]; `density` is 1 where nothing is trimmed and `drop_rate` 0 where nothing is dropped.
#[derive(Debug, Clone)]
pub struct Frame(DataFrame);

/// Why a frame cannot be made or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The columns do not go together.
    #[error("cannot put the results into a table")]
    Build {
        /// What polars says.
        source: PolarsError,
    },
    /// The file cannot be made.
    #[error("cannot create `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The table cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What polars says.
        source: PolarsError,
    },
}

impl Frame {
    /// The results of several sweeps, one after the other, each result with the sweep and row that name it; the
    /// points of a search are under the search's name. A job that several rows name is there once for each of them.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn of_sweeps(sweeps: &[(&Outcome, &Results)]) -> Result<Self, FrameError> {
        Self::build(sweeps.iter().flat_map(|(outcome, results)| rows::of_sweep(outcome, results)).collect())
    }

    /// [`Frame::of_sweeps`] for a single one.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn of_sweep(outcome: &Outcome, results: &Results) -> Result<Self, FrameError> {
        Self::of_sweeps(&[(outcome, results)])
    }

    /// All results, of whatever sweep; accuracies are normalised by those of the same adapters on the same data.
    ///
    /// # Errors
    /// The table cannot be made.
    pub fn of_store(results: &Results) -> Result<Self, FrameError> {
        Self::build(rows::of_store(results))
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.0.height()
    }

    /// Whether there is no result.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the table as CSV, with a line of names first.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn write_csv(&self, path: &Path) -> Result<(), FrameError> {
        write(path, |file| CsvWriter::new(file).include_header(true).finish(&mut self.0.clone()))
    }

    /// Writes the table as parquet.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn write_parquet(&self, path: &Path) -> Result<(), FrameError> {
        write(path, |file| ParquetWriter::new(file).finish(&mut self.0.clone()).map(drop))
    }

    fn build(rows: Vec<Flat<'_>>) -> Result<Self, FrameError> {
        DataFrame::new(rows.len(), columns(&rows)).map(Self).map_err(|source| FrameError::Build { source })
    }
}

/// Writes to a temporary name in the same folder first: nobody finds half a table, and a failure leaves nothing.
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

fn columns(rows: &[Flat<'_>]) -> Vec<Column> {
    macro_rules! column {
        ($name:literal, $value:expr) => {
            Column::new($name.into(), rows.iter().map($value).collect::<Vec<_>>())
        };
    }
    vec![
        column!("sweep", |row| row.sweep),
        column!("row", |row| row.row),
        column!("subject", |row| row.subject),
        column!("space", |row| row.recipe.space),
        column!("axis", |row| row.recipe.axis),
        column!("drop_rate", |row| row.recipe.drop_rate),
        column!("drop_seed", |row| row.recipe.drop_seed),
        column!("density", |row| row.recipe.density),
        column!("trim_scope", |row| row.recipe.trim_scope),
        column!("elect", |row| row.recipe.elect),
        column!("combine", |row| row.recipe.combine),
        column!("common_share", |row| row.recipe.common_share),
        column!("scaling", |row| row.recipe.scaling),
        column!("weights", |row| row.recipe.weights.as_deref()),
        column!("split", |row| row.result.meaning.split.as_str()),
        column!("benchmark", |row| row.benchmark()),
        column!("task", |row| row.score.task.as_str()),
        column!("n", |row| row.score.n),
        column!("correct", |row| row.score.correct),
        column!("accuracy", |row| row.score.accuracy()),
        column!("normalised", |row| row.normalised),
        column!("hits_1", |row| row.score.hits.get(&1).copied()),
        column!("hits_3", |row| row.score.hits.get(&3).copied()),
        column!("hits_5", |row| row.score.hits.get(&5).copied()),
        column!("hits_10", |row| row.score.hits.get(&10).copied()),
        column!("load_s", |row| row.result.timings.load_s),
        column!("align_s", |row| row.result.timings.align_s),
        column!("merge_s", |row| row.result.timings.merge_s),
        column!("evaluate_s", |row| row.result.timings.evaluate_s),
        column!("worker", |row| row.result.run.worker.as_str()),
        column!("device", |row| row.result.run.device.as_str()),
        column!("attempt", |row| row.result.run.attempt),
        column!("finished_ms", |row| row.result.run.finished_ms),
        column!("job", |row| row.result.job.to_string()),
    ]
}
