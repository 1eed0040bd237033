mod cells;
mod flat;
mod grounds;
mod query;
mod read;
mod rows;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use flat::method;
pub(crate) use query::aside;
pub use read::Sweep;
pub use write::FrameError;

use crate::Problem;
use polars::prelude::DataFrame;
use rows::Rows;

/// One row per job, for any tool that reads tables. `docs/analysis.md` says what each column holds; their names stay.
///
/// The columns: `sweep` and `row` (empty where no sweep names the job), `job`; `subject` (`base`, `adapter`, `merge`),
/// `adapter`, `method`, the keys of a recipe ([`jobs::RecipeKey::resolved`], `weights` as JSON); `split`, `benchmark`,
/// `precision`; `n`, `mean_accuracy`, `mean_normalised`, `worst_accuracy`, `worst_normalised`, `hits_1`, `hits_3`, `hits_5`, `hits_10`; `load_s`, `align_s`,
/// `merge_s`, `evaluate_s`; `worker`, `device`, `attempt`, `finished_ms`, `versions` (JSON); and for every task, in the
/// order of their names, `n.<task>`, `correct.<task>`, `accuracy.<task>`, `normalised.<task>`, and in joint benchmarks
/// `hits_3.<task>`, `hits_5.<task>`, `hits_10.<task>`.
///
/// Shares are in [0, 1]; `density` is 1 where nothing is trimmed and `drop_rate` 0 where nothing is dropped.
#[derive(Debug)]
pub struct Frame {
    table: DataFrame,
    problems: Vec<Problem>,
}

impl Frame {
    /// The number of rows.
    pub fn len(&self) -> usize {
        self.table.height()
    }

    /// Whether there is no result.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What could not be read, or is not there, and therefore is in no row.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// A frame of a table that a test has made up.
    #[cfg(test)]
    pub(crate) fn of_table(table: DataFrame) -> Self {
        Self { table, problems: Vec::new() }
    }

    fn build(rows: Rows, problems: Vec<Problem>) -> Result<Self, FrameError> {
        let height = rows.len();
        let table = DataFrame::new(height, rows.into_columns()).map_err(|source| FrameError::Build { source })?;
        Ok(Self { table, problems })
    }
}
