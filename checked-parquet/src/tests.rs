use crate::{CheckedFile, Limits, chunks::Chunks};
use bytes::Bytes;
use parquet::{
    basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel},
    column::reader::ColumnReader,
    data_type::{ByteArray, ByteArrayType},
    errors::Result,
    file::{
        properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion},
        reader::RowGroupReader,
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use std::sync::Arc;

const NO_LIMITS: Limits = Limits { page_bytes: u64::MAX, column_bytes: u64::MAX, group_rows: u64::MAX };

/// A file with one column of texts, each group in a row group of its own, in pages of ten texts.
fn file(groups: &[Vec<String>], properties: WriterPropertiesBuilder) -> Bytes {
    let schema = Arc::new(parse_message_type("message s { required binary a (UTF8); }").unwrap());
    let properties = properties.set_dictionary_enabled(false).set_data_page_row_count_limit(10);
    let properties = Arc::new(properties.set_write_batch_size(10).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for texts in groups {
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let texts: Vec<ByteArray> = texts.iter().map(|text| text.as_str().into()).collect();
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn texts(count: usize, length: usize) -> Vec<String> {
    (0..count).map(|text| format!("{text:0length$}")).collect()
}

/// The texts of a group.
fn read(file: &CheckedFile<Bytes>, group: usize) -> Result<Vec<ByteArray>> {
    let group = file.row_group(group)?;
    let rows = usize::try_from(group.metadata().num_rows()).unwrap();
    let ColumnReader::ByteArrayColumnReader(mut reader) = group.get_column_reader(0)? else { panic!("they are texts") };
    let mut texts = Vec::new();
    reader.read_records(rows, None, None, &mut texts)?;
    Ok(texts)
}

fn refusal(content: &Bytes, limits: Limits) -> String {
    let read = CheckedFile::open(content.clone(), limits).and_then(|file| read(&file, 0));
    let error = read.unwrap_err();
    std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[test]
fn a_page_that_unpacks_to_more_than_the_limit_is_refused_in_every_codec() {
    let limits = Limits { page_bytes: 300_000, ..NO_LIMITS };
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        let with = |length| file(&[texts(10, length)], WriterProperties::builder().set_compression(codec));
        let small = CheckedFile::open(with(19_000), limits).unwrap();
        assert_eq!(read(&small, 0).unwrap().len(), 10, "{codec}");
        let refused = refusal(&with(30_001), limits);
        assert!(refused.starts_with("a page takes too much memory once it is unpacked: "), "{codec}: {refused}");
        assert!(refused.contains("and at most 300000 are read"), "{codec}: {refused}");
    }
}

#[test]
fn a_column_of_more_pages_than_the_limit_is_refused_and_others_are_read_any_number_of_times() {
    let limits = Limits { column_bytes: 25_000, ..NO_LIMITS };
    let content = file(&[texts(20, 1000), texts(30, 1000)], WriterProperties::builder());
    let file = CheckedFile::open(content, limits).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&file, 0).unwrap().len(), 20);
        let refused = read(&file, 1).unwrap_err().to_string();
        assert!(refused.contains("a column of a row group takes too much memory once it is unpacked"), "{refused}");
    }
}

#[test]
fn a_group_of_more_rows_than_the_limit_is_refused_before_its_pages_are_read() {
    let content = file(&[texts(20, 1)], WriterProperties::builder());
    let limits = Limits { group_rows: 19, ..NO_LIMITS };
    let refused = refusal(&content, limits);
    assert!(refused.starts_with("a row group is too large: 20 rows, and at most 19 are read"), "{refused}");
}

#[test]
fn columns_that_share_pages_are_refused() {
    let content = file(&[texts(20, 10)], WriterProperties::builder());
    let file = CheckedFile::open(content.clone(), NO_LIMITS).unwrap();
    let group = file.metadata().row_group(0).clone();
    let doubled = file.metadata().clone().into_builder().add_row_group(group).build();
    let refused = Chunks::new(content, NO_LIMITS).expect_pages(&doubled).unwrap_err().to_string();
    assert!(refused.contains("two columns claim the same bytes: 4 to "), "{refused}");
}

#[test]
fn texts_with_lengths_before_them_are_read_and_those_that_repeat_too_much_are_refused() {
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            let properties = || WriterProperties::builder().set_writer_version(version).set_encoding(encoding);
            let written = texts(500, 12);
            let opened = CheckedFile::open(file(std::slice::from_ref(&written), properties()), NO_LIMITS).unwrap();
            let texts: Vec<String> =
                read(&opened, 0).unwrap().iter().map(|text| text.as_utf8().unwrap().into()).collect();
            assert_eq!(texts, written, "{version:?} {encoding}");
        }
        let properties =
            WriterProperties::builder().set_writer_version(version).set_encoding(Encoding::DELTA_BYTE_ARRAY);
        let same = vec!["x".repeat(2000); 10];
        let content = file(&[same], properties);
        assert!(content.len() < 3000, "the ten texts are written once");
        let refused = refusal(&content, Limits { page_bytes: 19_999, ..NO_LIMITS });
        let wanted = "a page takes too much memory once it is unpacked: 20000 bytes, and at most 19999 are read";
        assert!(refused.starts_with(wanted), "{refused}");
    }
}
