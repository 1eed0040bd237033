//! Small files that claim much: each is refused by name, before memory is taken for what it claims.

use crate::{
    fixture::{chain, source},
    parquet_file::{Row, png, write},
};
use evaluation::{DiskCache, Filter, Head, HeadError, Images, Limits, Preprocess, Resize, TextSource};
use flate2::{Compression, write::GzEncoder};
use jobs::{DataFiles, Rows, TextSpec};
use std::io::{Cursor, Write};

const MIB: usize = 1 << 20;

fn preprocess() -> Preprocess {
    let resize = Some(Resize::ShortestEdge(32, Filter::Bicubic));
    Preprocess { resize, crop: Some((32, 32)), ..Preprocess::default() }
}

fn gzipped(parts: &[&[u8]]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    parts.iter().for_each(|part| packed.write_all(part).unwrap());
    packed.finish().unwrap()
}

/// What is said of a folder with this one image.
fn of_image(bytes: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.png");
    std::fs::write(&path, bytes).unwrap();
    let images = vec![("a".to_owned(), path)];
    let files = DataFiles::ImageFolder { folder: folder.path().into(), classes: vec!["a".to_owned()], images };
    let read = Images::read(&source(&files, &Rows::All), &preprocess(), None);
    read.map(drop).map_err(|error| chain(&error))
}

/// A PNG whose header claims a size that its pixels do not have.
fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = png([7; 3]);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    bytes
}

fn grey(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::GrayImage::new(width, height).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn an_image_of_too_many_pixels_is_refused_by_its_header() {
    for (width, height) in [(50_000, 50_000), (20_000, 20_000), (u32::MAX >> 1, u32::MAX >> 1)] {
        let refused = of_image(&claiming(width, height)).unwrap_err();
        assert!(refused.starts_with("the image `") && refused.contains("x.png` cannot be decoded"), "{refused}");
        let pixels = u64::from(width) * u64::from(height);
        let wanted = format!(
            "the image has too many pixels: {width} × {height} pixels, {pixels}, and at most 89478485 are read; \
             scale the image down"
        );
        assert!(refused.contains(&wanted) || width > 1 << 20, "{refused}");
    }
}

#[test]
fn a_strip_that_grows_when_it_is_resized_is_refused() {
    let refused = of_image(&grey(1, 100_000)).unwrap_err();
    let wanted = "an edge before or after it is resized: 3200000 pixels, and at most 1048576 are read";
    assert!(refused.contains(wanted), "{refused}");
    let refused = of_image(&claiming(1, 4_000_000)).unwrap_err();
    assert!(refused.contains("too long an edge: 4000000 pixels, and at most 1048576 are read"), "{refused}");
    assert_eq!(of_image(&grey(10, 10_000)), Ok(()), "a long image of a usual kind");
}

#[test]
fn a_size_of_an_image_processor_that_no_memory_holds_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("preprocessor_config.json");
    for (text, key) in [
        (r#"{"size": {"shortest_edge": 200000}}"#, "size"),
        (r#"{"size": {"shortest_edge": 0}}"#, "size"),
        (r#"{"crop_size": 4294967295}"#, "crop_size"),
        (r#"{"size": {"height": 8193, "width": 32}}"#, "size"),
    ] {
        std::fs::write(&path, text).unwrap();
        let refused = chain(&Preprocess::read(&path).unwrap_err());
        assert!(refused.contains(&format!("`{key}` is `")) && refused.contains("from 1 to 8192"), "{refused}");
    }
    std::fs::write(&path, vec![b' '; 17 * MIB]).unwrap();
    let refused = chain(&Preprocess::read(&path).unwrap_err());
    assert!(
        refused.contains("preprocessor_config.json`: the file is too large: more than 16777216 bytes"),
        "{refused}"
    );
}

fn idx(images: &[u8], labels: u32) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let i = folder.path().join("images");
    let l = folder.path().join("labels");
    std::fs::write(&i, images).unwrap();
    let count = labels.min(8);
    std::fs::write(&l, [&0x801_u32.to_be_bytes()[..], &labels.to_be_bytes(), &vec![0; count as usize]].concat())
        .unwrap();
    let files = DataFiles::Idx { images: i, labels: l };
    let read = Images::read(&source(&files, &Rows::All), &preprocess(), None);
    read.map(drop).map_err(|error| chain(&error))
}

fn header(sizes: [u32; 3]) -> Vec<u8> {
    [0x803, sizes[0], sizes[1], sizes[2]].iter().flat_map(|number: &u32| number.to_be_bytes()).collect()
}

#[test]
fn an_idx_file_is_unpacked_no_further_than_its_header_claims() {
    let zeros = vec![0; 64 * MIB];
    let refused = idx(&gzipped(&[&header([1, 4, 4]), &zeros]), 1).unwrap_err();
    assert!(refused.ends_with("it holds more than 16 bytes after its header, expected 16"), "{refused}");
    let refused = idx(&gzipped(&[&header([8_000_000, 28, 28]), &zeros]), 1).unwrap_err();
    let wanted =
        "the IDX file claims too many bytes after its header: 6272000000 bytes, and at most 1073741824 are read; save";
    assert!(refused.contains(wanted), "{refused}");
    let refused = idx(&header([u32::MAX, u32::MAX, u32::MAX]), 1).unwrap_err();
    assert!(refused.contains("it holds 0 bytes after its header, expected 18446744073709551615"), "{refused}");
}

#[test]
fn idx_images_without_pixels_are_refused() {
    for (sizes, shown) in [([u32::MAX, 0, 4], "0 × 4"), ([0, 0, 0], "0 × 0"), ([u32::MAX, 4, 0], "4 × 0")] {
        let refused = idx(&header(sizes), 0).unwrap_err();
        assert!(
            refused.ends_with(&format!("its images have {shown} pixels, expected at least one each way")),
            "{refused}"
        );
    }
    assert!(idx(&header([0, 4, 4]), 0).unwrap_err().contains("no rows are selected of the 0"));
}

#[test]
fn images_take_no_more_memory_than_they_may_unless_a_cache_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    let rows: Vec<Row> = (0..10).map(|_| (Some(png([1; 3])), Some(0))).collect();
    write(&path, &rows, &["a"]);
    let files = DataFiles::Parquet(vec![path.clone()]);
    let read = |cache: Option<&DiskCache<'_>>, image_bytes| {
        let limits = Limits { image_bytes };
        let read = Images::read_within(&source(&files, &Rows::All), &preprocess(), cache, limits);
        read.map(|images| images.memory_bytes()).map_err(|error| chain(&error))
    };
    let bytes = 10 * 3 * 32 * 32;
    assert_eq!(read(None, bytes), Ok(bytes));
    let refused = read(None, bytes - 1).unwrap_err();
    let wanted = format!(
        "`{}` is not read: the preprocessed images of the split take too much memory: 30720 bytes, and at most 30719 are read; \
         raise `--image-memory`, or give `--example-cache` a folder, where they are kept on the disk",
        path.display()
    );
    assert_eq!(refused, wanted);
    let cache = DiskCache { folder: &folder.path().join("cache"), digest: "abc" };
    assert_eq!(read(Some(&cache), bytes - 1), Ok(0));
    let no_folder = DiskCache { folder: &path.join("below"), digest: "abc" };
    assert!(read(Some(&no_folder), bytes - 1).unwrap_err().contains("take too much memory"));
}

fn texts(content: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, content).unwrap();
    let files = DataFiles::Jsonl(vec![path.clone()]);
    let spec = TextSpec { columns: vec!["a".into()], ..TextSpec::default() };
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let shortened = |text: String| text.replace(&*path.to_string_lossy(), "x.jsonl");
    source.look(None).map(drop).map_err(|errors| shortened(chain(&errors[0])))
}

#[test]
fn a_line_or_a_text_that_is_too_long_is_refused_with_its_number() {
    let good = br#"{"a": "x", "label": 0}"#;
    let filling = vec![b'x'; 20 * MIB];
    let long = [&good[..], b"\n", br#"{"a": ""#, &filling, br#"", "label": 0}"#].concat();
    let wanted = "line 2 of `x.jsonl` is not read: the line is too long: more than 16777216 bytes, and at most 16777216 are read; \
                  each line has to be one row: write one JSON object per line";
    assert_eq!(texts(&long).unwrap_err(), wanted);
    assert_eq!(texts(&gzipped(&[&long])).unwrap_err(), wanted);
    let text = |bytes: usize| [br#"{"a": ""#, &filling[..bytes], br#"", "label": 0}"#].concat();
    let refused = texts(&text(MIB + 1)).unwrap_err();
    let wanted = "line 1 of `x.jsonl` is not read: the text in column `a` is too long: 1048577 bytes, and at most 1048576 are read";
    assert!(refused.starts_with(wanted), "{refused}");
    assert_eq!(texts(&text(MIB)), Ok(()));
}

#[test]
fn a_head_without_rows_or_numbers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("head.safetensors");
    for shape in ["[0,8]", "[8,0]", "[0,0]"] {
        let header = format!(r#"{{"weight":{{"dtype":"F32","shape":{shape},"data_offsets":[0,0]}}}}"#);
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat()).unwrap();
        assert!(matches!(Head::read(&path), Err(HeadError::Shape { .. } | HeadError::Format { .. })), "{shape}");
    }
}
