use super::{DataError, damaged, meaning};
use crate::{
    classes::{check_names, listed},
    data::read_error,
    limits::{Ceiling, PAGE_BYTES, ROWS},
};
use checked_parquet::{CheckedFile, Limits, guarded};
use parquet::{
    basic::Type as Physical,
    file::{metadata::ParquetMetaData, reader::RowGroupReader},
    record::Row,
    schema::types::Type,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A column that is read, and what it must be.
pub(crate) struct Column<'a> {
    pub(crate) name: &'a str,
    /// Whether a column of this type can be read.
    pub(crate) is_right: fn(&Arc<Type>) -> bool,
    /// What is expected, in words.
    pub(crate) expected: &'static str,
}

const MOST_ROWS: Ceiling = Ceiling {
    limit: ROWS,
    unit: "rows",
    what: "the split has too many rows",
    remedy: "write those that are taken into files of their own",
};

/// Rows are decoded in batches, and pages are read one at a time.
const LIMITS: Limits = Limits { page_bytes: PAGE_BYTES, column_bytes: u64::MAX, group_rows: u64::MAX };

/// Takes a row with the file that it stands in and its number there.
pub(crate) type TakeRow<'a> = dyn FnMut(&Path, u64, Row) -> Result<(), DataError> + 'a;

/// Parquet files of which some columns are read, as one table.
pub(crate) struct Table {
    files: Vec<TableFile>,
}

struct TableFile {
    path: PathBuf,
    reader: CheckedFile<File>,
    rows: u64,
    /// The columns read, and nothing else.
    columns: Type,
}

impl Table {
    pub(crate) fn open(paths: &[PathBuf], columns: &[Column<'_>]) -> Result<Self, DataError> {
        let files = paths.iter().map(|path| TableFile::open(path, columns)).collect::<Result<Vec<_>, _>>()?;
        let rows = files.iter().fold(0u64, |rows, file| rows.saturating_add(file.rows));
        let too_many = |source| DataError::TooLarge { path: paths.first().cloned().unwrap_or_default(), source };
        MOST_ROWS.check(rows).map_err(too_many)?;
        Ok(Self { files })
    }

    /// All that is wrong with the footer and the columns of one file.
    pub(crate) fn check(path: &Path, columns: &[Column<'_>]) -> Vec<DataError> {
        match TableFile::open(path, &[]) {
            Err(error) => vec![error],
            Ok(_) => {
                columns.iter().filter_map(|column| TableFile::open(path, std::slice::from_ref(column)).err()).collect()
            }
        }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The names of a `ClassLabel` column, if files state them. Those that do state the same.
    ///
    /// # Errors
    /// Two files differ in them, or a name is empty or comes twice.
    pub(crate) fn class_names(&self, column: &str) -> Result<Option<Vec<String>>, DataError> {
        let mut known: Option<(&Path, Vec<String>)> = None;
        for file in &self.files {
            let Some(names) = class_names(file.reader.metadata(), column) else { continue };
            match &known {
                None => {
                    let wrong = |problem| DataError::ClassNames { path: file.path.clone(), problem };
                    check_names(&names).map_err(wrong)?;
                    known = Some((&file.path, names));
                }
                Some((path, first)) if *first != names => {
                    let names = format!("{}, and {}", listed(first), listed(&names));
                    return Err(DataError::OtherClassNames {
                        path: path.to_path_buf(),
                        other: file.path.clone(),
                        names,
                    });
                }
                Some(_) => {}
            }
        }
        Ok(known.map(|(_, names)| names))
    }

    /// Hands over the rows with these ascending numbers (a number may repeat).
    pub(crate) fn read(&self, rows: &[u64], take: &mut TakeRow<'_>) -> Result<(), DataError> {
        self.read_columns(None, rows, take)
    }

    /// The same, with one column of each row: the others are not read from the disk.
    pub(crate) fn read_column(&self, column: &str, rows: &[u64], take: &mut TakeRow<'_>) -> Result<(), DataError> {
        self.read_columns(Some(column), rows, take)
    }

    fn read_columns(&self, only: Option<&str>, rows: &[u64], take: &mut TakeRow<'_>) -> Result<(), DataError> {
        let mut rest = rows;
        let mut before = 0;
        for file in &self.files {
            let columns = file.projection(only)?;
            let mut first = 0;
            for (group, meta) in file.reader.metadata().row_groups().iter().enumerate() {
                let end = first + u64::try_from(meta.num_rows()).unwrap_or(0);
                let (here, later) = rest.split_at(rest.partition_point(|&row| row < before + end));
                rest = later;
                if !here.is_empty() {
                    let here: Vec<u64> = here.iter().map(|row| row - before).collect();
                    file.read(group, &here, first, &columns, take)?;
                }
                first = end;
            }
            before += first;
        }
        Ok(())
    }
}

/// The top-level columns of a file, by its footer.
pub(super) fn fields(path: &Path) -> Result<Vec<Arc<Type>>, DataError> {
    let file = TableFile::open(path, &[])?;
    Ok(file.reader.metadata().file_metadata().schema().get_fields().to_vec())
}

impl TableFile {
    fn open(path: &Path, columns: &[Column<'_>]) -> Result<Self, DataError> {
        let file = File::open(path).map_err(read_error(path))?;
        let reader = CheckedFile::open(file, LIMITS).map_err(|source| damaged(path, source))?;
        let metadata = reader.metadata();
        let groups = metadata.row_groups().iter();
        let rows = groups.fold(0, |rows: u64, group| rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(0)));
        let schema = metadata.file_metadata().schema();
        let fields = columns.iter().map(|column| column.find(schema, path)).collect::<Result<Vec<_>, _>>()?;
        let columns = Type::group_type_builder(schema.name()).with_fields(fields).build();
        let columns = columns.map_err(|source| damaged(path, source))?;
        Ok(Self { path: path.into(), reader, rows, columns })
    }

    /// The columns read, or the one of this name among them.
    fn projection(&self, only: Option<&str>) -> Result<Type, DataError> {
        let Some(only) = only else { return Ok(self.columns.clone()) };
        let fields = self.columns.get_fields().iter().filter(|field| field.name() == only).cloned().collect();
        let columns = Type::group_type_builder(self.columns.name()).with_fields(fields).build();
        columns.map_err(|source| damaged(&self.path, source))
    }

    /// Reads one row group's share of the selection.
    fn read(
        &self,
        group: usize,
        wanted: &[u64],
        first: u64,
        columns: &Type,
        take: &mut TakeRow<'_>,
    ) -> Result<(), DataError> {
        let failed = |source| damaged(&self.path, source);
        let reader = self.reader.row_group(group).map_err(failed)?;
        let mut rows = guarded(|| reader.get_row_iter(Some(columns.clone()))).map_err(failed)?;
        let mut wanted = wanted.iter().peekable();
        for row in first.. {
            let Some(&&next) = wanted.peek() else { break };
            let Some(values) = guarded(|| rows.next().transpose()).map_err(failed)? else { break };
            if next != row {
                continue;
            }
            while wanted.next_if(|&&next| next == row).is_some() {
                take(&self.path, row, values.clone())?;
            }
        }
        Ok(())
    }
}

impl Column<'_> {
    fn find(&self, schema: &Type, path: &Path) -> Result<Arc<Type>, DataError> {
        let found = || schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
        let missing = || DataError::MissingColumn { path: path.into(), column: self.name.into(), found: found() };
        let column = schema.get_fields().iter().find(|field| field.name() == self.name).ok_or_else(missing)?;
        if (self.is_right)(column) {
            return Ok(Arc::clone(column));
        }
        let found = if column.is_group() { "a struct or list".into() } else { found_type(column) };
        Err(DataError::WrongColumn { path: path.into(), column: self.name.into(), found, expected: self.expected })
    }
}

/// The type of a column, in words where its numbers mean something else than numbers.
fn found_type(column: &Type) -> String {
    let physical = column.get_physical_type();
    match physical {
        Physical::INT32 | Physical::INT64 | Physical::FIXED_LEN_BYTE_ARRAY => {
            meaning(column).unwrap_or_else(|| physical.to_string())
        }
        _ => physical.to_string(),
    }
}

/// The names of a `ClassLabel` column, which the key-value metadata hold as JSON under `huggingface`.
fn class_names(metadata: &ParquetMetaData, column: &str) -> Option<Vec<String>> {
    let pairs = metadata.file_metadata().key_value_metadata()?;
    let text = pairs.iter().find(|pair| pair.key == "huggingface")?.value.as_deref()?;
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    let names = json.get("info")?.get("features")?.get(column)?.get("names")?;
    serde_json::from_value(names.clone()).ok()
}
