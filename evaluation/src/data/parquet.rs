use super::{DataError, Example, Raw, Reader, Take, read_error};
use parquet::{
    basic::Type as Physical,
    errors::ParquetError,
    file::{
        metadata::ParquetMetaData,
        reader::{FileReader, SerializedFileReader},
    },
    record::{Field, Row},
    schema::types::Type,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Examples handed over at once.
const CHUNK: usize = 256;

/// Parquet files in the layout of Hugging Face data sets: a struct of `bytes` and `path`, and a number.
pub(super) struct ParquetSet {
    files: Vec<ParquetFile>,
    image: String,
    label: String,
    classes: Option<Vec<String>>,
}

struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    rows: u64,
    /// The two columns read, and nothing else.
    columns: Type,
}

impl ParquetSet {
    pub(super) fn open(paths: &[PathBuf], image: &str, label: &str) -> Result<Self, DataError> {
        let files = paths.iter().map(|path| ParquetFile::open(path, image, label)).collect::<Result<Vec<_>, _>>()?;
        let classes = files.first().and_then(|file| class_names(file.reader.metadata(), label));
        Ok(Self { files, image: image.into(), label: label.into(), classes })
    }

    /// Reads one row group's share of the selection.
    fn group(
        &self,
        file: &ParquetFile,
        group: usize,
        wanted: &[u64],
        first: u64,
        take: &mut Take<'_>,
    ) -> Result<(), DataError> {
        let failed = |source| damaged(&file.path, source);
        let reader = file.reader.get_row_group(group).map_err(failed)?;
        let rows = reader.get_row_iter(Some(file.columns.clone())).map_err(failed)?;
        let (mut wanted, mut chunk) = (wanted.iter().peekable(), Vec::new());
        for (row, values) in (first..).zip(rows) {
            let Some(&&next) = wanted.peek() else { break };
            let values = values.map_err(failed)?;
            if next != row {
                continue;
            }
            let (label, bytes) = self.values(file, row, values)?;
            while wanted.next_if(|&&next| next == row).is_some() {
                let (path, picture) = (file.path.clone(), Raw::Encoded(bytes.clone()));
                chunk.push(Example { path, row, label, picture });
            }
            if chunk.len() >= CHUNK {
                take(std::mem::take(&mut chunk))?;
            }
        }
        if chunk.is_empty() { Ok(()) } else { take(chunk) }
    }

    fn values(&self, file: &ParquetFile, row: u64, values: Row) -> Result<(i64, Vec<u8>), DataError> {
        let missing =
            |column: &str, what| DataError::Missing { path: file.path.clone(), row, column: column.into(), what };
        let (mut label, mut bytes) = (None, None);
        for (name, value) in values.into_columns() {
            if name == self.label {
                label = integer(&value);
            } else if name == self.image {
                bytes = picture(value);
            }
        }
        let label = label.ok_or_else(|| missing(&self.label, "label"))?;
        Ok((label, bytes.ok_or_else(|| missing(&self.image, "picture bytes"))?))
    }
}

impl Reader for ParquetSet {
    fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    fn classes(&self) -> Option<Vec<String>> {
        self.classes.clone()
    }

    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError> {
        let (mut rest, mut before) = (rows, 0);
        for file in &self.files {
            let mut first = 0;
            for (group, meta) in file.reader.metadata().row_groups().iter().enumerate() {
                let end = first + u64::try_from(meta.num_rows()).unwrap_or(0);
                let (here, later) = rest.split_at(rest.partition_point(|&row| row < before + end));
                rest = later;
                if !here.is_empty() {
                    let here: Vec<u64> = here.iter().map(|row| row - before).collect();
                    self.group(file, group, &here, first, take)?;
                }
                first = end;
            }
            before += first;
        }
        Ok(())
    }
}

impl ParquetFile {
    fn open(path: &Path, image: &str, label: &str) -> Result<Self, DataError> {
        let file = File::open(path).map_err(read_error(path))?;
        let reader = SerializedFileReader::new(file).map_err(|source| damaged(path, source))?;
        let metadata = reader.metadata();
        let rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum();
        let schema = metadata.file_metadata().schema();
        let column = |name: &str| {
            let found = || schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
            let missing = || DataError::MissingColumn { path: path.into(), column: name.into(), found: found() };
            schema.get_fields().iter().find(|field| field.name() == name).cloned().ok_or_else(missing)
        };
        let (image, label) = (column(image)?, column(label)?);
        let wrong = |column: &Type, expected| DataError::WrongColumn {
            path: path.into(),
            column: column.name().into(),
            found: describe(column),
            expected,
        };
        if !holds_pictures(&image) {
            return Err(wrong(&image, "a struct with `bytes` of binary data"));
        }
        if !is_physical(&label, &[Physical::INT32, Physical::INT64]) {
            return Err(wrong(&label, "a whole number"));
        }
        let fields = vec![image, label];
        let columns = Type::group_type_builder(schema.name()).with_fields(fields).build();
        let columns = columns.map_err(|source| damaged(path, source))?;
        Ok(Self { path: path.into(), reader, rows, columns })
    }
}

fn damaged(path: &Path, source: ParquetError) -> DataError {
    DataError::Format { path: path.into(), kind: "parquet", source: Box::new(source) }
}

fn is_physical(column: &Arc<Type>, types: &[Physical]) -> bool {
    column.is_primitive() && types.contains(&column.get_physical_type())
}

fn holds_pictures(column: &Arc<Type>) -> bool {
    let bytes = |field: &Arc<Type>| field.name() == "bytes" && is_physical(field, &[Physical::BYTE_ARRAY]);
    column.is_group() && column.get_fields().iter().any(bytes)
}

fn describe(column: &Type) -> String {
    if column.is_group() { "a struct or list".into() } else { column.get_physical_type().to_string() }
}

fn integer(value: &Field) -> Option<i64> {
    match *value {
        Field::Byte(n) => Some(n.into()),
        Field::Short(n) => Some(n.into()),
        Field::Int(n) => Some(n.into()),
        Field::Long(n) => Some(n),
        Field::UByte(n) => Some(n.into()),
        Field::UShort(n) => Some(n.into()),
        Field::UInt(n) => Some(n.into()),
        Field::ULong(n) => i64::try_from(n).ok(),
        _ => None,
    }
}

fn picture(value: Field) -> Option<Vec<u8>> {
    let Field::Group(fields) = value else { return None };
    fields.into_columns().into_iter().find_map(|(name, value)| match value {
        Field::Bytes(bytes) if name == "bytes" => Some(bytes.data().to_vec()),
        _ => None,
    })
}

/// The names of a `ClassLabel` column, which the key-value metadata hold as JSON under `huggingface`.
fn class_names(metadata: &ParquetMetaData, column: &str) -> Option<Vec<String>> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()?;
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = json.get("info")?.get("features")?.get(column)?.get("names")?;
    serde_json::from_value(names.clone()).ok()
}
