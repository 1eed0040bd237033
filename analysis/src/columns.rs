use polars::prelude::{DataFrame, DataType};

/// A frame's columns as plain values. A column that is not there has none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a>(pub(crate) &'a DataFrame);

impl<'a> Columns<'a> {
    pub(crate) fn texts(self, name: &str) -> Vec<Option<&'a str>> {
        let column = self.0.column(name).ok().and_then(|column| column.str().ok());
        column.map_or_else(|| vec![None; self.0.height()], |texts| texts.iter().collect())
    }

    /// What is no finite number is `None`.
    pub(crate) fn numbers(self, name: &str) -> Vec<Option<f64>> {
        let column = self.0.column(name).ok().and_then(|column| column.cast(&DataType::Float64).ok());
        let numbers = column.as_ref().and_then(|column| column.f64().ok());
        let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
        numbers.map_or_else(|| vec![None; self.0.height()], |numbers| numbers.iter().map(finite).collect())
    }

    /// Whole numbers, with all their digits; of a column of other numbers there are none.
    pub(crate) fn wholes(self, name: &str) -> Vec<Option<u64>> {
        let column = self.0.column(name).ok().and_then(|column| column.u64().ok());
        column.map_or_else(|| vec![None; self.0.height()], |numbers| numbers.iter().collect())
    }

    /// The places of the rows of a sweep.
    pub(crate) fn rows_of(self, sweep: &str) -> Vec<usize> {
        self.texts("sweep").iter().enumerate().filter(|(_, name)| **name == Some(sweep)).map(|(row, _)| row).collect()
    }
}
