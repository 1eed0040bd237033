use super::{Frame, FrameError};
use crate::Sweeps;
use polars::prelude::{DataFrame, Expr, IntoLazy, LazyFrame};
use store::Store;

impl Frame {
    /// The results of these sweeps of a store; of all that is in the store if none is named. See
    /// [`of_sweeps`](Self::of_sweeps) and [`of_store`](Self::of_store).
    ///
    /// # Errors
    /// The store is out of reach, a sweep has another name, or an outcome cannot be read. What else is missing or
    /// cannot be read is among the [`problems`](Self::problems).
    pub async fn open(store: &Store, sweeps: &[String]) -> Result<Self, FrameError> {
        Sweeps::open(store, sweeps).await?.frame(store).await
    }

    /// The rows as polars has them.
    pub fn table(&self) -> &DataFrame {
        &self.table
    }

    /// The rows, to be filtered and summed up with polars; nothing is copied. [`answer`](Self::answer) runs a query
    /// from anywhere.
    pub fn lazy(&self) -> LazyFrame {
        self.table.clone().lazy()
    }

    /// Those rows that `predicate` holds of. Problems stay with the whole.
    ///
    /// # Errors
    /// The predicate names a column that is not there, or is no yes or no.
    pub fn filter(&self, predicate: Expr) -> Result<Self, FrameError> {
        let table = Self::answer(self.lazy().filter(predicate))?;
        Ok(Self { table, problems: Vec::new() })
    }

    /// The result of a query.
    ///
    /// It may be asked from any thread, also from within an async runtime.
    ///
    /// # Errors
    /// The query names a column that is not there, or takes it for what it is not.
    pub fn answer(query: LazyFrame) -> Result<DataFrame, FrameError> {
        aside(|| query.collect()).map_err(|source| FrameError::Query { source })
    }
}

/// Runs queries on a thread of their own: polars blocks on a runtime of its own, and panics where it finds itself on a
/// thread of a single-threaded one of tokio.
pub(crate) fn aside<T: Send>(queries: impl FnOnce() -> T + Send) -> T {
    let answer = std::thread::scope(|scope| scope.spawn(queries).join());
    answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
