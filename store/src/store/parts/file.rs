use super::{PartError, brief, row::Cells};
use bytes::Bytes;
use checked_parquet::{CheckedFile, Limits};
use jobs::{Digest, JobId, JobResult};
use parquet::{
    basic::{Compression, ZstdLevel},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        reader::RowGroupReader,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use std::{fmt, str, sync::Arc};

/// The version of a part's columns; a reader refuses any other, and passes over columns that it does not know.
const VERSION: u32 = 1;
/// The name under which a part's metadata keep the version.
const VERSION_KEY: &str = "bowline.part";
/// The name under which a part's metadata keep the digest of the jobs of all rows, in their order.
const JOBS_KEY: &str = "bowline.jobs";
/// Rows that are written and read together: what a reader holds in memory.
const GROUP: usize = 1000;

/// Bytes of results that are written together, unless one has more.
const GROUP_BYTES: usize = 64 << 20;
/// What is read of a part at most: twice what is written in a group, and more rows, since a number of rows is little
/// without their bytes.
const LIMITS: Limits = Limits { page_bytes: 128 << 20, column_bytes: 128 << 20, group_rows: 10 * GROUP as u64 };

const JOB: &str = "job";
const RESULT: &str = "result";
const DIGEST: &str = "digest";
/// `result` is the result as its own object has it, and `digest` that of its text; the other columns repeat what
/// queries ask for: `scores` without the single examples, `ground` the meaning without its subject, `run` without its
/// time. Most rows share the latter two. `row_digest` is that of all columns before `result`. Parts of older programs
/// have no `row_digest`, or no `ground`, `run` and seconds either.
const SCHEMA: &str = "message part {
    required binary job (STRING);
    required int64 finished_ms;
    required binary split (STRING);
    required binary subject (STRING);
    required binary scores (STRING);
    required binary ground (STRING);
    required binary run (STRING);
    required double load_s;
    required double align_s;
    required double merge_s;
    required double evaluate_s;
    required binary result (STRING);
    required binary digest;
    required binary row_digest;
}";

/// A part as a parquet file. The same results make the same bytes.
pub(super) fn encode(results: &[JobResult]) -> Result<Vec<u8>, PartError> {
    let rows: Vec<Cells> = results.iter().map(Cells::from).collect();
    let level = ZstdLevel::try_new(3)?;
    let pairs = [(VERSION_KEY, VERSION.to_string()), (JOBS_KEY, digest_of(rows.iter().map(|row| row.job.data())))];
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec()))
        // All results differ, so that a dictionary of them saves nothing.
        .set_column_dictionary_enabled(RESULT.into(), false)
        .set_column_dictionary_enabled(JOB.into(), false)
        .set_column_dictionary_enabled(DIGEST.into(), false)
        .set_column_dictionary_enabled(brief::ROW_DIGEST.into(), false)
        .build();
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
    let mut rest = rows.as_slice();
    while !rest.is_empty() {
        let (group, later) = rest.split_at(group_rows(rest));
        write_group(writer.next_row_group()?, group)?;
        rest = later;
    }
    Ok(writer.into_inner()?)
}

/// How many of `rows` make the next group: one at least.
fn group_rows(rows: &[Cells]) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Cells| {
        bytes += row.whole.len();
        bytes <= GROUP_BYTES
    };
    rows.iter().take(GROUP).take_while(fits).count().max(1)
}

/// The digest of the jobs of rows, in their order.
fn digest_of<'a>(jobs: impl Iterator<Item = &'a [u8]>) -> String {
    Digest::of(&jobs.flat_map(|job| job.iter().copied().chain([b'\n'])).collect::<Vec<u8>>()).to_string()
}

/// Writes the columns in the order of [`SCHEMA`].
fn write_group(mut group: SerializedRowGroupWriter<'_, Vec<u8>>, rows: &[Cells]) -> Result<(), PartError> {
    let texts = |text: fn(&Cells) -> &ByteArray| rows.iter().map(|row| text(row).clone()).collect::<Vec<_>>();
    write_texts(&mut group, texts(|row| &row.job))?;
    let finished: Vec<i64> = rows.iter().map(|row| row.finished_ms).collect();
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<Int64Type>().write_batch(&finished, None, None)?;
    column.close()?;
    write_texts(&mut group, texts(|row| &row.split))?;
    write_texts(&mut group, texts(|row| &row.subject))?;
    write_texts(&mut group, texts(|row| &row.scores))?;
    write_texts(&mut group, texts(|row| &row.ground))?;
    write_texts(&mut group, texts(|row| &row.run))?;
    for place in 0..brief::SECONDS.len() {
        let seconds: Vec<f64> = rows.iter().map(|row| row.seconds[place]).collect();
        let mut column = group.next_column()?.ok_or_else(missing)?;
        column.typed::<DoubleType>().write_batch(&seconds, None, None)?;
        column.close()?;
    }
    let digest = |digest: Digest| ByteArray::from(digest.as_bytes().to_vec());
    let digests = rows.iter().map(|row| digest(Digest::of(row.whole.data()))).collect();
    write_texts(&mut group, texts(|row| &row.whole))?;
    write_texts(&mut group, digests)?;
    write_texts(&mut group, rows.iter().map(|row| digest(row.digest())).collect())?;
    group.close()?;
    Ok(())
}

fn write_texts(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, texts: Vec<ByteArray>) -> Result<(), PartError> {
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<ByteArrayType>().write_batch(&texts, None, None)?;
    Ok(column.close()?)
}

fn missing() -> ParquetError {
    ParquetError::General("more columns were written than the schema has".to_owned())
}

/// A part that is being read.
pub(super) struct Part {
    reader: CheckedFile<Bytes>,
    job: usize,
    result: usize,
    digest: usize,
    /// The digest of the jobs of all rows; parts of older programs have none.
    jobs_digest: Option<String>,
}

/// What is read of a row.
pub(super) struct Row {
    pub(super) job: ByteArray,
    pub(super) result: ByteArray,
    digest: ByteArray,
}

impl Row {
    /// The job that the row is of, if it names one.
    pub(super) fn job_id(&self) -> Option<JobId> {
        job_of(&self.job)
    }

    /// Whether the result is, byte for byte, what was written.
    pub(super) fn is_whole(&self) -> bool {
        Digest::of(self.result.data()).as_bytes() == self.digest.data()
    }
}

impl Part {
    /// Opens `content` as a part. Checks its version and columns.
    pub(super) fn open(content: Vec<u8>) -> Result<Self, PartError> {
        let reader = CheckedFile::open(Bytes::from(content), LIMITS)?;
        let file = reader.metadata().file_metadata();
        let pairs = file.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
        let value = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
        let found = value(VERSION_KEY).ok_or(PartError::Foreign)?;
        let jobs_digest = value(JOBS_KEY);
        if found != VERSION.to_string() {
            return Err(PartError::Version { found, expected: VERSION });
        }
        let column = |column: &'static str| position(&reader, column).ok_or(PartError::Column { column });
        let job = column(JOB)?;
        let result = column(RESULT)?;
        let digest = column(DIGEST)?;
        Ok(Self { reader, job, result, digest, jobs_digest })
    }

    /// Checks that the rows are those of the jobs that were written, none missing or doubled. A part of an older
    /// program has no digest to check.
    pub(super) fn check_rows(&self) -> Result<(), PartError> {
        let mut jobs = Vec::new();
        for group in 0..self.groups() {
            jobs.extend(self.texts(group, self.job, JOB)?);
        }
        let is_told = self.jobs_digest.is_some() || self.position(brief::ROW_DIGEST).is_some();
        let is_same = || self.jobs_digest.as_ref() == Some(&digest_of(jobs.iter().map(ByteArray::data)));
        if !is_told || is_same() { Ok(()) } else { Err(PartError::Rows) }
    }

    /// Where the column of this name is, if the part has it.
    pub(super) fn position(&self, column: &str) -> Option<usize> {
        position(&self.reader, column)
    }

    pub(super) fn rows(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or_default()
    }

    pub(super) fn groups(&self) -> usize {
        self.reader.metadata().num_row_groups()
    }

    /// A group of rows.
    pub(super) fn rows_of(&self, group: usize) -> Result<Vec<Row>, PartError> {
        let jobs = self.texts(group, self.job, JOB)?;
        let results = self.texts(group, self.result, RESULT)?;
        let digests = self.texts(group, self.digest, DIGEST)?;
        let rows = jobs.into_iter().zip(results).zip(digests);
        Ok(rows.map(|((job, result), digest)| Row { job, result, digest }).collect())
    }

    /// The jobs of all rows.
    pub(super) fn jobs(&self) -> Result<Vec<JobId>, PartError> {
        let mut jobs = Vec::new();
        for group in 0..self.groups() {
            for text in self.texts(group, self.job, JOB)? {
                let job = job_of(&text);
                let named = || String::from_utf8_lossy(text.data()).escape_debug().to_string();
                jobs.push(job.ok_or_else(|| PartError::Job { text: named() })?);
            }
        }
        Ok(jobs)
    }

    /// The text column at `column` of a group.
    pub(super) fn texts(&self, group: usize, column: usize, name: &'static str) -> Result<Vec<ByteArray>, PartError> {
        match self.column(group, column)? {
            (ColumnReader::ByteArrayColumnReader(reader), rows) => whole(reader, rows, name),
            _ => Err(PartError::Column { column: name }),
        }
    }

    /// The column of whole numbers at `column` of a group.
    pub(super) fn wholes(&self, group: usize, column: usize, name: &'static str) -> Result<Vec<i64>, PartError> {
        match self.column(group, column)? {
            (ColumnReader::Int64ColumnReader(reader), rows) => whole(reader, rows, name),
            _ => Err(PartError::Column { column: name }),
        }
    }

    /// The column of numbers at `column` of a group.
    pub(super) fn numbers(&self, group: usize, column: usize, name: &'static str) -> Result<Vec<f64>, PartError> {
        match self.column(group, column)? {
            (ColumnReader::DoubleColumnReader(reader), rows) => whole(reader, rows, name),
            _ => Err(PartError::Column { column: name }),
        }
    }

    fn column(&self, group: usize, column: usize) -> Result<(ColumnReader, usize), PartError> {
        let group = self.reader.row_group(group)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        Ok((group.get_column_reader(column)?, rows))
    }
}

fn job_of(text: &ByteArray) -> Option<JobId> {
    str::from_utf8(text.data()).ok()?.parse().ok()
}

fn position(reader: &CheckedFile<Bytes>, column: &str) -> Option<usize> {
    let mut columns = reader.metadata().file_metadata().schema_descr().columns().iter();
    columns.position(|descriptor| descriptor.path().string() == column)
}

/// All values of a column without repetitions.
fn whole<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    rows: usize,
    name: &'static str,
) -> Result<Vec<T::T>, PartError> {
    let mut values = Vec::new();
    while values.len() < rows {
        let before = values.len();
        reader.read_records(rows - before, None, None, &mut values)?;
        if values.len() == before {
            return Err(ParquetError::EOF(format!("column `{name}` ends after {before} of {rows} rows")).into());
        }
    }
    Ok(values)
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part").field("rows", &self.rows()).finish()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A file of `schema` with as many rows as it takes to have none.
    pub(in super::super) fn empty(schema: &str, version: Option<&str>) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let pairs = version.map(|version| vec![KeyValue::new(VERSION_KEY.to_owned(), version.to_owned())]);
        let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap().into_inner().unwrap()
    }

    /// A part with an unknown column among those that are read. A row is a job, a result, and the text whose digest it
    /// has.
    pub(in super::super) fn with_rows(rows: &[[String; 3]]) -> Vec<u8> {
        let schema = "message part {
            required binary job (STRING); required int64 colour; required binary result (STRING);
            required binary digest;
        }";
        let pairs = vec![KeyValue::new(VERSION_KEY.to_owned(), VERSION.to_string())];
        let properties = WriterProperties::builder().set_key_value_metadata(Some(pairs)).build();
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let texts = |column: usize| rows.iter().map(|row| ByteArray::from(row[column].as_str())).collect();
        write_texts(&mut group, texts(0)).unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&vec![7; rows.len()], None, None).unwrap();
        column.close().unwrap();
        write_texts(&mut group, texts(1)).unwrap();
        let digest = |row: &[String; 3]| ByteArray::from(Digest::of(row[2].as_bytes()).as_bytes().to_vec());
        write_texts(&mut group, rows.iter().map(digest).collect()).unwrap();
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    #[test]
    fn the_same_results_make_the_same_part() {
        let results = crate::testing::results(20);
        assert_eq!(encode(&results).unwrap(), encode(&results).unwrap());
    }
}
