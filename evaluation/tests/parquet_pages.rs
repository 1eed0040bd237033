//! Parquet files of every codec and encoding: read, or refused by name.

use crate::fixture::chain;
use evaluation::TextSource;
use jobs::{DataFiles, Rows, TextSpec};
use parquet::{
    basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{
        properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use std::{collections::BTreeMap, fs::File, path::Path, sync::Arc};

const ROWS: usize = 3000;

fn write(path: &Path, properties: WriterPropertiesBuilder) {
    let schema = Arc::new(parse_message_type("message s { optional binary a (UTF8); required int64 label; }").unwrap());
    let properties = Arc::new(properties.set_data_page_row_count_limit(500).set_write_batch_size(100).build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts: Vec<ByteArray> = (0..ROWS).map(|row| format!("text {} of many", row % 700).as_str().into()).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1; ROWS]), None).unwrap();
    column.close().unwrap();
    let labels: Vec<i64> = (0..ROWS as i64).map(|row| row % 3).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&labels, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

/// How often each label occurs.
fn look(path: &Path) -> Result<BTreeMap<u32, u64>, String> {
    let files = DataFiles::Parquet(vec![path.into()]);
    let spec = TextSpec { columns: vec!["a".into()], ..TextSpec::default() };
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    source.look(None).map(|outline| outline.labels().clone()).map_err(|errors| chain(&errors[0]))
}

#[test]
fn files_of_every_codec_and_version_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let wanted = BTreeMap::from([(0, 1000), (1, 1000), (2, 1000)]);
    for codec in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4,
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ] {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for is_dictionary in [true, false] {
                let properties = WriterProperties::builder().set_compression(codec).set_writer_version(version);
                let properties = properties.set_dictionary_enabled(is_dictionary);
                write(&path, properties.set_column_encoding("a".into(), Encoding::PLAIN));
                assert_eq!(look(&path).as_ref(), Ok(&wanted), "{codec} {version:?} {is_dictionary}");
            }
        }
    }
}

#[test]
fn texts_with_their_lengths_before_them_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let wanted = BTreeMap::from([(0, 1000), (1, 1000), (2, 1000)]);
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        for encoding in [Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY] {
            let properties = WriterProperties::builder().set_writer_version(version).set_dictionary_enabled(false);
            write(&path, properties.set_column_encoding("a".into(), encoding));
            assert_eq!(look(&path).as_ref(), Ok(&wanted), "{version:?} {encoding}");
        }
    }
}

/// Files that `make_parquet.py` writes with Arrow.
#[test]
fn texts_that_arrow_writes_with_their_lengths_before_them_are_read_to_the_last() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet");
    for encoding in ["delta_byte_array", "delta_length_byte_array"] {
        for version in ["1.0", "2.0"] {
            let path = data.join(format!("{encoding}-{version}.parquet"));
            let files = DataFiles::Parquet(vec![path]);
            let spec = TextSpec { columns: vec!["a".into()], ..TextSpec::default() };
            let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
            let labels = source.look(None).unwrap().labels().clone();
            assert_eq!(labels, BTreeMap::from([(0, 1000), (1, 1000), (2, 1000)]), "{encoding} {version}");
        }
    }
}

#[test]
fn a_file_of_which_a_part_is_missing_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write(&path, WriterProperties::builder());
    let bytes = std::fs::read(&path).unwrap();
    // The footer says where pages are; without some bytes before it they are elsewhere.
    for cut in [1, 100, 1000] {
        std::fs::write(&path, [&bytes[..4], &bytes[4 + cut..]].concat()).unwrap();
        let refused = look(&path).unwrap_err();
        assert!(refused.contains("x.parquet` is not a readable parquet file"), "{cut}: {refused}");
    }
}
