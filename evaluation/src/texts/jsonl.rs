mod lines;

use super::{
    TextError,
    raw::{Budget, Cell, Columns, Place, RawRow, RawSplit, TOO_LARGE, shared},
};
use crate::{
    columns::{ColumnContent, TableColumn},
    data::DataError,
};
use lines::Lines;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Reads files of JSON lines, plain or gzipped. Lines without anything in them do not count as rows.
pub(super) fn read(paths: &[PathBuf], columns: Columns<'_>) -> Result<RawSplit, TextError> {
    let mut rows = Vec::new();
    let mut budget = Budget::default();
    for path in shared(paths) {
        read_file(&path, columns, &mut budget, &mut rows)?;
    }
    Ok(RawSplit { rows, classes: None })
}

/// The columns of a file, by its first line; none of a file without lines.
pub(crate) fn first_line_columns(path: &Path) -> Result<Vec<TableColumn>, TextError> {
    let mut lines = Lines::open(&Arc::from(path))?;
    let Some((number, line)) = lines.next()? else { return Ok(Vec::new()) };
    let at = Place::line(&Arc::from(path), number);
    let Object { entries, .. } = serde_json::from_slice(line).map_err(|source| not_an_object(at, line, source))?;
    let content = |value| match cell(Some(value)) {
        Cell::Text(_) => ColumnContent::Texts,
        Cell::Number(_) => ColumnContent::Integers,
        Cell::Nothing | Cell::Other(_) => ColumnContent::Other,
    };
    Ok(entries.into_iter().map(|(name, value)| TableColumn { name, content: content(value) }).collect())
}

fn read_file(
    path: &Arc<Path>,
    columns: Columns<'_>,
    budget: &mut Budget,
    rows: &mut Vec<RawRow>,
) -> Result<(), TextError> {
    let mut lines = Lines::open(path)?;
    let mut is_first = true;
    while let Some((number, line)) = lines.next()? {
        let at = Place::line(path, number);
        let parsed = serde_json::from_slice(line);
        let Object { entries: mut object, twice } = parsed.map_err(|source| not_an_object(at.clone(), line, source))?;
        if let Some(key) = twice {
            return Err(TextError::KeyTwice { at, key });
        }
        if std::mem::take(&mut is_first) {
            check(path, columns, &object)?;
        }
        let texts = columns.texts.iter().map(|column| cell(object.remove(column))).collect();
        let row = RawRow { at, texts, label: cell(object.remove(columns.label)) };
        budget.take(path, &row)?;
        rows.push(row);
    }
    Ok(())
}

/// The error of a line; `NaN` and `Infinity`, which Python writes, are named.
fn not_an_object(at: Place, line: &[u8], source: serde_json::Error) -> TextError {
    if std::str::from_utf8(line).is_err() {
        return TextError::NotUtf8 { at };
    }
    let here = line.get(source.column().saturating_sub(1)..).unwrap_or_default();
    for name in ["NaN", "Infinity"] {
        if here.starts_with(name.as_bytes()) {
            return TextError::NoNumber { at, name };
        }
    }
    TextError::Line { at, source }
}

/// A JSON object, and a key that comes twice in it.
struct Object {
    entries: Map<String, Value>,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object { entries: Map::new(), twice: None };
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            if object.entries.insert(key.clone(), value).is_some() {
                object.twice.get_or_insert(key);
            }
        }
        Ok(object)
    }
}

/// The first line defines the columns. A column that a later line lacks is empty there.
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
        Some(Value::String(text)) => Cell::Text(text.into()),
        Some(Value::Number(number)) => number.as_i64().map_or_else(|| other_number(&number), Cell::Number),
        Some(Value::Bool(_)) => Cell::Other("true or false"),
        Some(Value::Array(_)) => Cell::Other("a list"),
        Some(Value::Object(_)) => Cell::Other("an object"),
    }
}

/// A number that is not written as a whole one, or is a large one. `1.0`, as pandas writes numbers beside missing ones,
/// is 1.
fn other_number(number: &serde_json::Number) -> Cell {
    /// Above it, neighbours are more than 1 apart.
    const EXACT: f64 = (1u64 << 53) as f64;
    match number.as_f64() {
        Some(value) if value.fract() != 0.0 => Cell::Other("a number that is not whole"),
        Some(value) if value.abs() <= EXACT => Cell::Number(value as i64),
        _ => TOO_LARGE,
    }
}
