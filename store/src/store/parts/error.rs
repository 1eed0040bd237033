use jobs::{JobId, ResultFault};
use parquet::errors::ParquetError;

/// What is wrong with a part.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It is no parquet file, or a damaged one.
    #[error("it is no whole parquet file")]
    Parquet(#[from] ParquetError),
    /// It is damaged where the library that reads it takes something for granted.
    #[error("it is no parquet file that can be read to its end")]
    Unreadable,
    /// It is the parquet file of another program.
    #[error("it does not say that it is a part")]
    Foreign,
    /// It is a part of another version.
    #[error("it has version `{found}`, and this program reads version {expected}")]
    Version {
        /// Its version.
        found: String,
        /// The version that is read and written here.
        expected: u32,
    },
    /// A column that every part has is not there, or is of another kind.
    #[error("it has no column `{column}` of the right kind")]
    Column {
        /// The column.
        column: &'static str,
    },
    /// Rows are missing, doubled or of other jobs than were written.
    #[error("its rows are not those that were written")]
    Rows,
    /// A row is not what was written.
    #[error("the row of job `{job}` was altered")]
    Altered {
        /// The job that the row names.
        job: String,
    },
    /// A row has a result that is impossible for its job.
    #[error("the result in the row of job {job} cannot be an answer to it")]
    Fault {
        /// The job.
        job: JobId,
        /// What it says.
        source: ResultFault,
    },
    /// A cell of a row does not hold what it should.
    #[error("`{column}` of row {row} is corrupt")]
    Cell {
        /// The column.
        column: &'static str,
        /// The row within its group, from 0.
        row: usize,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// A row names no job.
    #[error("`{text}` is no job")]
    Job {
        /// What it names.
        text: String,
    },
    /// A row names another job than the result in it.
    #[error("the result of job {job} lies in the row of another job")]
    OtherJob {
        /// The job of the result.
        job: JobId,
    },
}
