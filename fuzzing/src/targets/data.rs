//! Images: files of one, pairs of IDX files, tables.

use super::{examples, nothing, put, tables};
use crate::{Format, Target, mutate::packed, target::chains};
use evaluation::{Images, Preprocess, Source, table_columns};
use jobs::{DataFiles, Rows, error_chain};
use parquet::{basic::Compression, file::properties::WriterVersion};
use std::path::Path;

/// Images of the two IDX files.
const IMAGES: u32 = 3;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "image",
            format: Format::Image,
            seeds: images,
            prepare: nothing,
            read: |folder, input| {
                put(folder, "image.img", input);
                let images = vec![("class".to_owned(), folder.join("image.img"))];
                let classes = vec!["class".to_owned()];
                read(&DataFiles::ImageFolder { folder: folder.to_owned(), classes, images })
            },
            named: "image.img",
        },
        Target {
            name: "idx-images",
            format: Format::Idx,
            seeds: || vec![idx_images(), packed(&idx_images())],
            prepare: |folder| put(folder, "labels", idx_labels()),
            read: |folder, input| {
                put(folder, "images", input);
                idx(folder)
            },
            named: "/",
        },
        Target {
            name: "idx-labels",
            format: Format::Idx,
            seeds: || vec![idx_labels(), packed(&idx_labels())],
            prepare: |folder| put(folder, "images", idx_images()),
            read: |folder, input| {
                put(folder, "labels", input);
                idx(folder)
            },
            named: "/",
        },
        Target {
            name: "image-parquet",
            format: Format::Parquet,
            seeds: || {
                vec![
                    tables::of_images(Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0),
                    tables::of_images(Compression::SNAPPY, WriterVersion::PARQUET_2_0),
                    tables::of_images(Compression::LZ4_RAW, WriterVersion::PARQUET_1_0),
                ]
            },
            prepare: nothing,
            read: |folder, input| {
                put(folder, "table.parquet", input);
                read(&DataFiles::Parquet(vec![folder.join("table.parquet")]))
            },
            named: "table.parquet",
        },
    ]
}

fn idx(folder: &Path) -> Result<String, String> {
    read(&DataFiles::Idx { images: folder.join("images"), labels: folder.join("labels") })
}

/// Looks at the files as before a sweep, and reads them as in one.
fn read(files: &DataFiles) -> Result<String, String> {
    let source = Source { files, image_column: "image", label_column: "label", rows: &Rows::All };
    let outline = source.look(None).map(|outline| format!("{outline:?}")).map_err(|errors| chains(&errors));
    let preprocess = Preprocess::default();
    let images = Images::read(&source, &preprocess, None).map_err(|error| error_chain(&error))?;
    let sum: u64 = (0..images.len()).flat_map(|at| images.pixels(at)).map(|level| u64::from(*level)).sum();
    let columns = table_columns(files).map_err(|error| error_chain(&error));
    Ok(format!("{outline:?} {:?} {:?} {sum} {columns:?}", images.labels(), images.classes()))
}

fn images() -> Vec<Vec<u8>> {
    ["alpha.png", "grey.png", "grey16.png", "one_bit.png", "palette.png", "tiny.png", "turned.jpg", "turned.png"]
        .iter()
        .map(|name| examples::file(&format!("evaluation/tests/data/images/{name}")))
        .collect()
}

fn idx_images() -> Vec<u8> {
    let header = [0x0803, IMAGES, 4, 5].map(u32::to_be_bytes).concat();
    [header, (0..60).collect()].concat()
}

fn idx_labels() -> Vec<u8> {
    [[0x0801, IMAGES].map(u32::to_be_bytes).concat(), vec![0, 1, 2]].concat()
}
