//! Small parquet files.

use super::examples;
use parquet::{
    basic::Compression,
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
        writer::SerializedFileWriter,
    },
    schema::parser::parse_message_type,
};
use std::sync::Arc;

/// A column of texts or images: its values in a row group, and the level at which they are there.
struct Values {
    values: Vec<ByteArray>,
    level: i16,
}

/// Two row groups of two images with labels.
pub(super) fn of_images(compression: Compression, version: WriterVersion) -> Vec<u8> {
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (UTF8); }
                  optional int64 label; }";
    let image = ByteArray::from(examples::file("evaluation/tests/data/images/tiny.png"));
    let columns = [image, ByteArray::from("image.png")].map(|value| Values { values: vec![value; 2], level: 2 });
    written(schema, &columns, compression, version)
}

/// Two row groups of two pairs of texts with labels.
pub(super) fn of_texts(compression: Compression, version: WriterVersion) -> Vec<u8> {
    let schema =
        "message schema { optional binary premise (UTF8); optional binary hypothesis (UTF8); optional int64 label; }";
    let texts = [["a small cat", "the mat"], ["x", "the small cat's mat"]];
    let columns = texts.map(|texts| Values { values: texts.map(ByteArray::from).to_vec(), level: 1 });
    written(schema, &columns, compression, version)
}

fn written(schema: &str, columns: &[Values], compression: Compression, version: WriterVersion) -> Vec<u8> {
    let features = r#"{"info":{"features":{"label":{"_type":"ClassLabel","names":["cat","dog"]}}}}"#;
    let properties = WriterProperties::builder()
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), features.to_owned())]))
        .set_compression(compression)
        .set_writer_version(version)
        .build();
    let write = || -> Result<Vec<u8>, ParquetError> {
        let schema = Arc::new(parse_message_type(schema)?);
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties))?;
        for labels in [[0, 1], [1, 0]] {
            let mut group = writer.next_row_group()?;
            for Values { values, level } in columns {
                let Some(mut column) = group.next_column()? else { break };
                column.typed::<ByteArrayType>().write_batch(values, Some(&[*level; 2]), None)?;
                column.close()?;
            }
            if let Some(mut column) = group.next_column()? {
                column.typed::<Int64Type>().write_batch(&labels, Some(&[1, 1]), None)?;
                column.close()?;
            }
            group.close()?;
        }
        writer.into_inner()
    };
    write().unwrap_or_else(|error| unreachable!("a small table is written: {error}"))
}
