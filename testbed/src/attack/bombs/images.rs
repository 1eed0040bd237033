//! Images and image processors of absurd sizes.

use super::{Bomb, changed, image_sweep};
use crate::{Failure, attack::bench::CaseFolder};
use flate2::{Compress, Compression, Crc, FlushCompress};
use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::{Value, json};
use std::{fs::File, path::PathBuf, sync::Arc};

pub(super) const BOMBS: [Bomb; 11] = [
    Bomb::new("PNG 1 x 4000000", |case| folder(case, 1, 1, 4_000_000)),
    Bomb::new("PNG 1000000 x 1", |case| folder(case, 1, 1_000_000, 1)),
    Bomb::new("PNG 50000 x 50000", |case| folder(case, 1, 50_000, 50_000)),
    Bomb::new("twelve PNG of 20000 x 20000", |case| folder(case, 12, 20_000, 20_000)),
    Bomb::new("shortest edge 200000", |case| {
        processor(case, |config| config["size"] = json!({"shortest_edge": 200_000}))
    }),
    Bomb::new("shortest edge 0", |case| processor(case, |config| config["size"] = json!({"shortest_edge": 0}))),
    Bomb::new("crop of 2^32 - 1", |case| {
        processor(case, |config| config["crop_size"] = json!({"height": u32::MAX, "width": u32::MAX}))
    }),
    Bomb::new("IDX of 4 GiB in 4 MB", zipped_idx),
    Bomb::new("IDX of (2^32 - 1) x 0", |case| idx(case, &header(u32::MAX, 0, 0), &label_header(u32::MAX))),
    Bomb::new("IDX of 0 x 0 images", |case| idx(case, &header(2, 0, 0), &[&label_header(2)[..], &[0, 1]].concat())),
    Bomb::new("parquet, 1500000 rows of one image", parquet).that_takes_long(),
];

/// The classes of the head.
const CLASSES: usize = 10;

/// A sweep over a folder of images, of which `count` have this size.
fn folder(case: &CaseFolder<'_>, count: usize, width: u32, height: u32) -> Result<PathBuf, Failure> {
    let small = png(32, 32)?;
    let large = png(width, height)?;
    for split in ["validation", "test"] {
        for class in 0..CLASSES {
            case.write(&format!("data/{split}/{class}/a.png"), &small)?;
        }
        for number in 0..count {
            case.write(&format!("data/{split}/0/b{number}.png"), &large)?;
        }
    }
    sweep(case, &case.path("data").display().to_string())
}

fn sweep(case: &CaseFolder<'_>, data: &str) -> Result<PathBuf, Failure> {
    image_sweep(case, &case.example("mini8/base"), &case.example("mini8/adapters/optdigits"), data)
}

fn processor(case: &CaseFolder<'_>, change: impl Fn(&mut Value)) -> Result<PathBuf, Failure> {
    let base = changed(case, "mini8/base", "preprocessor_config.json", change)?;
    let data = case.example("mini8/data/optdigits").display().to_string();
    image_sweep(case, &base, &case.example("mini8/adapters/optdigits"), &data)
}

/// A black image with one bit per pixel.
fn png(width: u32, height: u32) -> Result<Vec<u8>, Failure> {
    let line = 1 + u64::from(width.div_ceil(8));
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], content: &[u8]| -> Result<(), Failure> {
        png.extend(u32::try_from(content.len())?.to_be_bytes());
        let named = [&kind[..], content].concat();
        let mut crc = Crc::new();
        crc.update(&named);
        png.extend(&named);
        png.extend(crc.sum().to_be_bytes());
        Ok(())
    };
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[1, 0, 0, 0, 0]].concat())?;
    let zeros = line * u64::from(height);
    // Adler-32 of zeros: the first sum stays 1, the second counts them.
    let adler = u32::try_from(zeros % 65_521)? << 16 | 1;
    chunk(b"IDAT", &[&[0x78, 0x01][..], &deflated_zeros(zeros)?, &adler.to_be_bytes()].concat())?;
    chunk(b"IEND", &[])?;
    Ok(png)
}

/// A deflate stream of `count` zeros. One block of 16 MiB is made and repeated.
fn deflated_zeros(count: u64) -> Result<Vec<u8>, Failure> {
    const BLOCK: usize = 16 << 20;
    let block = deflated(BLOCK, FlushCompress::Full)?;
    let rest = deflated(usize::try_from(count % BLOCK as u64)?, FlushCompress::Finish)?;
    let mut stream = block.repeat(usize::try_from(count / BLOCK as u64)?);
    stream.extend(rest);
    Ok(stream)
}

fn deflated(zeros: usize, flush: FlushCompress) -> Result<Vec<u8>, Failure> {
    let mut deflated = Vec::with_capacity(zeros / 100 + 1024);
    Compress::new(Compression::best(), false).compress_vec(&vec![0; zeros], &mut deflated, flush)?;
    Ok(deflated)
}

/// The header of an IDX file of images.
fn header(count: u32, rows: u32, columns: u32) -> Vec<u8> {
    [0x0803, count, rows, columns].into_iter().flat_map(u32::to_be_bytes).collect()
}

fn label_header(count: u32) -> Vec<u8> {
    [0x0801, count].into_iter().flat_map(u32::to_be_bytes).collect()
}

/// A sweep over one pair of IDX files for both splits.
fn idx(case: &CaseFolder<'_>, images: &[u8], labels: &[u8]) -> Result<PathBuf, Failure> {
    case.write("data/t10k-images-idx3-ubyte", images)?;
    case.write("data/t10k-labels-idx1-ubyte", labels)?;
    sweep_from_test(case)
}

fn sweep_from_test(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    let splits = "splits: {validation: {from: test}}";
    sweep(case, &format!("{{source: {}, {splits}}}", case.path("data").display()))
}

/// Gzipped IDX files that unpack to 4 GiB.
fn zipped_idx(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    // 2^22 black images of 32 x 32, and the label 0 for each.
    let count = 1 << 22;
    let side = 32;
    let images = gzipped(&header(count, side, side), u64::from(count) * u64::from(side * side))?;
    case.write("data/t10k-images-idx3-ubyte.gz", images)?;
    case.write("data/t10k-labels-idx1-ubyte.gz", gzipped(&label_header(count), count.into())?)?;
    sweep_from_test(case)
}

/// A gzip file of `head` and `zeros` zeros. Its checksum follows all of them.
fn gzipped(head: &[u8], zeros: u64) -> Result<Vec<u8>, Failure> {
    let mut first = Vec::with_capacity(1024);
    Compress::new(Compression::best(), false).compress_vec(head, &mut first, FlushCompress::Full)?;
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(first);
    gzip.extend(deflated_zeros(zeros)?);
    // A reader with a limit stops before this.
    gzip.extend([0; 8]);
    Ok(gzip)
}

/// Parquet files with one image in each of 1.5 million rows: a dictionary of one entry.
fn parquet(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    const ROWS: usize = 1_500_000;
    let schema = "message schema { required group image { required binary bytes; } required int64 label; }";
    let image = ByteArray::from(png(32, 32)?);
    let path = case.write("data/test-00000-of-00001.parquet", "")?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(File::create(path)?, Arc::new(parse_message_type(schema)?), properties)?;
    let mut group = writer.next_row_group()?;
    if let Some(mut column) = group.next_column()? {
        column.typed::<ByteArrayType>().write_batch(&vec![image; ROWS], None, None)?;
        column.close()?;
    }
    if let Some(mut column) = group.next_column()? {
        let labels: Vec<i64> = (0..ROWS).map(|row| (row % CLASSES) as i64).collect();
        column.typed::<Int64Type>().write_batch(&labels, None, None)?;
        column.close()?;
    }
    group.close()?;
    writer.close()?;
    sweep_from_test(case)
}
