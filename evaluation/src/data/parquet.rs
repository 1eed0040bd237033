mod table;

pub(crate) use table::{Column, Table};

use super::{DataError, Example, Raw, Reader, SeeLabel, Take};
use crate::{
    columns::{ColumnContent, TableColumn},
    limits::CHUNK_BYTES,
};
use parquet::{
    basic::{ConvertedType, LogicalType, Type as Physical},
    errors::ParquetError,
    record::{Field, Row},
    schema::types::Type,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Examples handed over at once.
const CHUNK: usize = 256;

/// Parquet files in the layout of Hugging Face data sets: a struct of `bytes` and `path`, and a number.
pub(super) struct ParquetSet {
    table: Table,
    classes: Option<Vec<String>>,
    image: String,
    label: String,
}

/// The names of the columns that hold images and labels.
#[derive(Clone, Copy)]
pub(super) struct ImageColumns<'a> {
    pub(super) image: &'a str,
    pub(super) label: &'a str,
}

impl<'a> ImageColumns<'a> {
    fn images(self) -> Column<'a> {
        Column { name: self.image, is_right: holds_images, expected: "a struct with `bytes` of binary data" }
    }

    fn labels(self) -> Column<'a> {
        Column { name: self.label, is_right: is_integer, expected: "a whole number" }
    }

    /// All that is wrong with the footer and the columns of a file.
    pub(super) fn check(self, path: &Path) -> Vec<DataError> {
        Table::check(path, &[self.images(), self.labels()])
    }
}

impl ParquetSet {
    pub(super) fn open(paths: &[PathBuf], image: &str, label: &str) -> Result<Self, DataError> {
        let columns = ImageColumns { image, label };
        let table = Table::open(paths, &[columns.images(), columns.labels()])?;
        let classes = table.class_names(label)?;
        Ok(Self { table, classes, image: image.into(), label: label.into() })
    }

    /// Opens the files for their labels alone.
    pub(super) fn open_labels(paths: &[PathBuf], label: &str) -> Result<Self, DataError> {
        let table = Table::open(paths, &[ImageColumns { image: "", label }.labels()])?;
        let classes = table.class_names(label)?;
        Ok(Self { table, classes, image: String::new(), label: label.into() })
    }

    fn values(&self, path: &Path, row: u64, values: Row) -> Result<(i128, Vec<u8>), DataError> {
        let missing = |column: &str, what| DataError::Missing { path: path.into(), row, column: column.into(), what };
        let mut label = None;
        let mut bytes = None;
        for (name, value) in values.into_columns() {
            if name == self.label {
                label = integer(&value);
            } else if name == self.image {
                bytes = image(value);
            }
        }
        let label = label.ok_or_else(|| missing(&self.label, "label"))?;
        Ok((label, bytes.ok_or_else(|| missing(&self.image, "image bytes"))?))
    }
}

impl Reader for ParquetSet {
    fn rows(&self) -> u64 {
        self.table.rows()
    }

    fn classes(&self) -> Option<Vec<String>> {
        self.classes.clone()
    }

    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError> {
        let mut chunk = Vec::new();
        let mut chunk_bytes = 0;
        self.table.read(rows, &mut |path, row, values| {
            let (label, bytes) = self.values(path, row, values)?;
            chunk_bytes += bytes.len() as u64;
            chunk.push(Example { path: path.into(), row, label, image: Raw::Encoded(bytes) });
            if chunk.len() < CHUNK && chunk_bytes < CHUNK_BYTES {
                return Ok(());
            }
            chunk_bytes = 0;
            take(std::mem::take(&mut chunk))
        })?;
        if chunk.is_empty() { Ok(()) } else { take(chunk) }
    }

    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError> {
        self.table.read_column(&self.label, rows, &mut |path, row, values| {
            let label = values.into_columns().into_iter().next().and_then(|(_, value)| integer(&value));
            let column = || self.label.clone();
            let missing = || DataError::Missing { path: path.into(), row, column: column(), what: "label" };
            see(path, row, label.ok_or_else(missing)?)
        })
    }
}

/// The columns of a file, by its footer.
pub(crate) fn columns(path: &Path) -> Result<Vec<TableColumn>, DataError> {
    Ok(table::fields(path)?
        .iter()
        .map(|field| TableColumn { name: field.name().to_owned(), content: content(field) })
        .collect())
}

fn content(field: &Arc<Type>) -> ColumnContent {
    if holds_images(field) {
        ColumnContent::Images
    } else if is_integer(field) {
        ColumnContent::Integers
    } else if is_binary(field) {
        ColumnContent::Texts
    } else {
        ColumnContent::Other
    }
}

fn damaged(path: &Path, source: ParquetError) -> DataError {
    DataError::Format { path: path.into(), kind: "parquet", source: Box::new(source) }
}

fn is_physical(column: &Type, types: &[Physical]) -> bool {
    column.is_primitive() && types.contains(&column.get_physical_type())
}

/// Times and decimal numbers are stored as whole numbers as well, and are none.
pub(crate) fn is_integer(column: &Arc<Type>) -> bool {
    is_physical(column, &[Physical::INT32, Physical::INT64]) && meaning(column).is_none()
}

/// What a column of numbers means beside its number, in words; `None` for plain whole numbers.
pub(super) fn meaning(column: &Type) -> Option<String> {
    let info = column.get_basic_info();
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Timestamp { .. }), _)
        | (None, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => Some("a timestamp".to_owned()),
        (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => Some("a date".to_owned()),
        (Some(LogicalType::Time { .. }), _) | (None, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => {
            Some("a time of day".to_owned())
        }
        (Some(LogicalType::Decimal { .. }), _) | (None, ConvertedType::DECIMAL) => Some("a decimal number".to_owned()),
        (Some(LogicalType::Integer { .. }) | None, _) => None,
        (Some(other), _) => Some(format!("{other:?}")),
    }
}

pub(crate) fn is_binary(column: &Arc<Type>) -> bool {
    is_physical(column, &[Physical::BYTE_ARRAY])
}

fn holds_images(column: &Arc<Type>) -> bool {
    column.is_group() && column.get_fields().iter().any(|field| field.name() == "bytes" && is_binary(field))
}

/// A whole number, however large.
pub(crate) fn integer(value: &Field) -> Option<i128> {
    match *value {
        Field::Byte(n) => Some(n.into()),
        Field::Short(n) => Some(n.into()),
        Field::Int(n) => Some(n.into()),
        Field::Long(n) => Some(n.into()),
        Field::UByte(n) => Some(n.into()),
        Field::UShort(n) => Some(n.into()),
        Field::UInt(n) => Some(n.into()),
        Field::ULong(n) => Some(n.into()),
        _ => None,
    }
}

fn image(value: Field) -> Option<Vec<u8>> {
    let Field::Group(fields) = value else { return None };
    fields.into_columns().into_iter().find_map(|(name, value)| match value {
        Field::Bytes(bytes) if name == "bytes" => Some(bytes.data().to_vec()),
        _ => None,
    })
}
