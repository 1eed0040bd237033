//! The columns of the points that charts are drawn from.

use polars::prelude::{DataFrame, DataType, PolarsResult};

/// The columns of [`Points`](super::points::Points) beside the parameters.
pub(super) const METHOD: &str = "the method";
pub(super) const VALUE: &str = "the value";
pub(super) const MEAN: &str = "the mean";
pub(super) const WORST: &str = "the worst";

/// A column as numbers; what is no finite number is `None`.
pub(super) fn numbers(table: &DataFrame, name: &str) -> PolarsResult<Vec<Option<f64>>> {
    let column = table.column(name)?.cast(&DataType::Float64)?;
    Ok(column.f64()?.iter().map(|value| value.filter(|value| value.is_finite())).collect())
}

/// A column as texts.
pub(super) fn words(table: &DataFrame, name: &str) -> PolarsResult<Vec<Option<String>>> {
    Ok(table.column(name)?.str()?.iter().map(|text| text.map(str::to_owned)).collect())
}
