use super::{
    TextError,
    raw::{Cell, Columns, Place, RawRow, RawSplit, shared},
};
use crate::data::{DataError, read_error};
use serde_json::{Map, Value};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Reads files of JSON lines. Lines without anything in them do not count as rows.
pub(super) fn read(paths: &[PathBuf], columns: Columns<'_>) -> Result<RawSplit, TextError> {
    let mut rows = Vec::new();
    for path in shared(paths) {
        read_file(&path, columns, &mut rows)?;
    }
    Ok(RawSplit { rows, classes: None })
}

fn read_file(path: &Arc<Path>, columns: Columns<'_>, rows: &mut Vec<RawRow>) -> Result<(), TextError> {
    let bytes = std::fs::read(path).map_err(read_error(path))?;
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut is_first = true;
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let at = Place::line(path, number);
        let object = serde_json::from_slice(line);
        let mut object: Map<String, Value> = object.map_err(|source| TextError::Line { at: at.clone(), source })?;
        if std::mem::take(&mut is_first) {
            check(path, columns, &object)?;
        }
        let texts = columns.texts.iter().map(|column| cell(object.remove(column))).collect();
        rows.push(RawRow { at, texts, label: cell(object.remove(columns.label)) });
    }
    Ok(())
}

/// The first line tells which columns there are; one that a later line lacks is nothing there.
fn check(path: &Path, columns: Columns<'_>, object: &Map<String, Value>) -> Result<(), DataError> {
    let mut wanted = columns.texts.iter().map(String::as_str).chain([columns.label]);
    match wanted.find(|column| !object.contains_key(*column)) {
        Some(column) => {
            let found = object.keys().cloned().collect();
            Err(DataError::MissingColumn { path: path.into(), column: column.to_owned(), found })
        }
        None => Ok(()),
    }
}

fn cell(value: Option<Value>) -> Cell {
    match value {
        None | Some(Value::Null) => Cell::Nothing,
        Some(Value::String(text)) => Cell::Text(text),
        Some(Value::Number(number)) => number.as_i64().map_or(Cell::Other("a number that is not whole"), Cell::Number),
        Some(Value::Bool(_)) => Cell::Other("true or false"),
        Some(Value::Array(_)) => Cell::Other("a list"),
        Some(Value::Object(_)) => Cell::Other("an object"),
    }
}
