//! Single values of polars tables.

use super::Cell;
use polars::prelude::{AnyValue, DataFrame};

/// A value of a polars table as a cell.
pub(super) fn cell(table: &DataFrame, name: &str, row: usize) -> Cell {
    match value(table, name, row) {
        Some(AnyValue::String(text)) => Cell::text(text),
        Some(AnyValue::StringOwned(text)) => Cell::text(text.as_str()),
        Some(AnyValue::UInt64(count)) => Cell::Count(count),
        Some(AnyValue::UInt32(count)) => Cell::Count(count.into()),
        Some(value) => Cell::number(value.try_extract().ok()),
        None => Cell::Empty,
    }
}

/// A value as a number; `None` if it is none or missing.
pub(super) fn number(table: &DataFrame, name: &str, row: usize) -> Option<f64> {
    value(table, name, row)?.try_extract().ok()
}

/// A value as a text; `None` if it is none or missing.
pub(super) fn text(table: &DataFrame, name: &str, row: usize) -> Option<String> {
    match value(table, name, row)? {
        AnyValue::String(text) => Some(text.to_owned()),
        // A column of one value has its own.
        AnyValue::StringOwned(text) => Some(text.to_string()),
        _ => None,
    }
}

fn value<'a>(table: &'a DataFrame, name: &str, row: usize) -> Option<AnyValue<'a>> {
    let value = table.column(name).ok()?.get(row).ok()?;
    Some(value).filter(|value| !value.is_null())
}
