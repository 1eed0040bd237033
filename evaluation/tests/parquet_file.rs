//! Small parquet files, good and bad.

use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};
use std::{fs::File, io::Cursor, path::Path, sync::Arc};

/// A row: the image's bytes and the label, either of which may be missing.
pub(crate) type Row = (Option<Vec<u8>>, Option<i64>);

/// A 4×4 PNG of one colour.
pub(crate) fn png(colour: [u8; 3]) -> Vec<u8> {
    let image = image::RgbImage::from_pixel(4, 4, image::Rgb(colour));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Writes rows, two to a row group, with `classes` in the Hugging Face metadata.
pub(crate) fn write(path: &Path, rows: &[Row], classes: &[&str]) {
    let schema = "message schema { optional group image { optional binary bytes; optional binary path (UTF8); }
                  optional int64 label; }";
    let mut writer = writer(path, schema, classes);
    for rows in rows.chunks(2) {
        let mut group = writer.next_row_group().unwrap();
        let bytes: Vec<ByteArray> = rows.iter().filter_map(|(b, _)| b.clone().map(ByteArray::from)).collect();
        let levels: Vec<i16> = rows.iter().map(|(b, _)| if b.is_some() { 2 } else { 1 }).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let names = vec![ByteArray::from("image.png"); rows.len()];
        column.typed::<ByteArrayType>().write_batch(&names, Some(&vec![2; rows.len()]), None).unwrap();
        column.close().unwrap();
        write_labels(&mut group, rows.iter().map(|(_, label)| *label));
        group.close().unwrap();
    }
    writer.close().unwrap();
}

/// Writes rows with a text in `a` and a label, either of which may be missing, all in one row group.
pub(crate) fn write_texts(path: &Path, rows: &[(Option<&str>, Option<i64>)], classes: &[&str]) {
    let schema = "message schema { optional binary a (UTF8); optional int64 label; }";
    let mut writer = writer(path, schema, classes);
    let mut group = writer.next_row_group().unwrap();
    let texts: Vec<ByteArray> = rows.iter().filter_map(|(text, _)| text.map(ByteArray::from)).collect();
    let levels: Vec<i16> = rows.iter().map(|(text, _)| i16::from(text.is_some())).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None).unwrap();
    column.close().unwrap();
    write_labels(&mut group, rows.iter().map(|(_, label)| *label));
    group.close().unwrap();
    writer.close().unwrap();
}

fn writer(path: &Path, schema: &str, classes: &[&str]) -> SerializedFileWriter<File> {
    let features = serde_json::json!({"info": {"features": {"label": {"_type": "ClassLabel", "names": classes}}}});
    let metadata = vec![KeyValue::new("huggingface".into(), features.to_string())];
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap()
}

fn write_labels(group: &mut SerializedRowGroupWriter<'_, File>, labels: impl Iterator<Item = Option<i64>> + Clone) {
    let levels: Vec<i16> = labels.clone().map(|label| i16::from(label.is_some())).collect();
    let labels: Vec<i64> = labels.flatten().collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&labels, Some(&levels), None).unwrap();
    column.close().unwrap();
}

/// Writes images whose labels are of another column type, such as `int64 label (TIMESTAMP(MICROS,true))`.
pub(crate) fn write_labelled(path: &Path, label_column: &str, labels: &[i64]) {
    let schema =
        format!("message schema {{ optional group image {{ optional binary bytes; }} optional {label_column}; }}");
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let bytes = vec![ByteArray::from(png([0; 3])); labels.len()];
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&bytes, Some(&vec![2; labels.len()]), None).unwrap();
    column.close().unwrap();
    write_labels(&mut group, labels.iter().map(|label| Some(*label)));
    group.close().unwrap();
    writer.close().unwrap();
}
