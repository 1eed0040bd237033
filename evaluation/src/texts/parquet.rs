use super::{
    TextError,
    raw::{Budget, Cell, Columns, Place, RawRow, RawSplit, TOO_LARGE},
};
use crate::data::table::{Column, Table, integer, is_binary, is_integer};
use parquet::record::{Field, Row};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

fn wanted(columns: Columns<'_>) -> Vec<Column<'_>> {
    let text = |name| Column { name, is_right: is_binary, expected: "texts" };
    let mut wanted: Vec<_> = columns.texts.iter().map(|name| text(name.as_str())).collect();
    let is_right = |column: &_| is_integer(column) || is_binary(column);
    wanted.push(Column { name: columns.label, is_right, expected: "whole numbers or texts" });
    wanted
}

/// All that is wrong with the footers and the columns of parquet files.
pub(super) fn check(paths: &[PathBuf], columns: Columns<'_>) -> Vec<TextError> {
    let wanted = wanted(columns);
    paths.iter().flat_map(|path| Table::check(path, &wanted)).map(TextError::from).collect()
}

/// The class names that the label column states.
pub(super) fn class_names(paths: &[PathBuf], columns: Columns<'_>) -> Result<Option<Vec<String>>, TextError> {
    Ok(Table::open(paths, &wanted(columns))?.class_names(columns.label)?)
}

/// Reads the columns of parquet files.
pub(super) fn read(paths: &[PathBuf], columns: Columns<'_>) -> Result<RawSplit, TextError> {
    let table = Table::open(paths, &wanted(columns))?;
    let classes = table.class_names(columns.label)?;
    let all: Vec<u64> = (0..table.rows()).collect();
    let mut rows = Vec::new();
    let mut budget = Budget::default();
    let mut file: Option<Arc<Path>> = None;
    table.read(&all, &mut |path, row, values| {
        let file = match &file {
            Some(file) if **file == *path => file,
            _ => file.insert(Arc::from(path)),
        };
        let row = raw_row(Place::row(file, row), values, columns);
        budget.take(path, &row)?;
        rows.push(row);
        Ok(())
    })?;
    Ok(RawSplit { rows, classes })
}

fn raw_row(at: Place, values: Row, columns: Columns<'_>) -> RawRow {
    let mut raw = RawRow { at, texts: vec![Cell::Nothing; columns.texts.len()], label: Cell::Nothing };
    for (name, value) in values.into_columns() {
        if name == columns.label {
            raw.label = cell(value);
        } else if let Some(place) = columns.texts.iter().position(|column| *column == name) {
            raw.texts[place] = cell(value);
        }
    }
    raw
}

fn cell(value: Field) -> Cell {
    match value {
        Field::Null => Cell::Nothing,
        Field::Str(text) => Cell::Text(text.into()),
        Field::Bytes(_) => Cell::Other("bytes"),
        value => match integer(&value) {
            Some(number) => i64::try_from(number).map_or(TOO_LARGE, Cell::Number),
            None => Cell::Other("neither a text nor a whole number"),
        },
    }
}
