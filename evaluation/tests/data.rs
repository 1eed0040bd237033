//! Data sets in every layout, and what is refused.

use crate::{
    fixture::{chain, example, files, images, json, preprocess, source},
    parquet_file::{Row, png, write, write_labelled},
};
use evaluation::{DiskCache, Filter, Images, Preprocess, Resize, Source};
use jobs::{DataFiles, Rows};
use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

fn goldens(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn square(edge: u32) -> Preprocess {
    let resize = Some(Resize::ShortestEdge(edge, Filter::Bicubic));
    Preprocess { resize, crop: Some((edge, edge)), ..Preprocess::default() }
}

fn read(files: &DataFiles, rows: &Rows) -> Result<Images, String> {
    Images::read(&source(files, rows), &square(4), None).map_err(|error| chain(&error))
}

fn refused(files: &DataFiles) -> String {
    read(files, &Rows::All).map(|_| ()).unwrap_err()
}

fn parquet(path: PathBuf) -> DataFiles {
    DataFiles::Parquet(vec![path])
}

fn row(level: u8, label: i64) -> Row {
    (Some(png([level; 3])), Some(label))
}

fn first_levels(images: &Images) -> Vec<u8> {
    (0..images.len()).map(|n| images.pixels(n)[0]).collect()
}

#[test]
fn preprocessed_images_are_pillows() {
    let listing = json(&goldens("images.json"));
    let edge = u32::try_from(listing["edge"].as_u64().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let size = 3 * (edge * edge) as usize;
    let expected = std::fs::read(goldens("expected.bin")).unwrap();
    std::fs::create_dir(folder.path().join("all")).unwrap();
    let names: Vec<String> = serde_json::from_value(listing["files"].clone()).unwrap();
    for name in &names {
        std::fs::copy(goldens("images").join(name), folder.path().join("all").join(name)).unwrap();
    }
    let listed = names.iter().map(|name| ("all".to_owned(), folder.path().join("all").join(name))).collect();
    let classes = vec!["all".to_owned()];
    let files = DataFiles::ImageFolder { folder: folder.path().into(), classes, images: listed };
    let images = Images::read(&source(&files, &Rows::All), &square(edge), None).unwrap();
    assert_eq!(images.len(), names.len());
    for (n, (name, want)) in names.iter().zip(expected.chunks_exact(size)).enumerate() {
        let worst = images.pixels(n).iter().zip(want).map(|(g, w)| g.abs_diff(*w)).max().unwrap();
        // Two JPEG decoders round differently before the resize.
        let allowed = if name == "turned.jpg" { 4 } else { 0 };
        assert!(worst <= allowed, "{name}: {worst} levels off");
    }
}

#[test]
fn a_shuffle_is_the_one_that_is_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.parquet");
    for golden in json(&goldens("shuffle.json")).as_array().unwrap() {
        let order: Vec<u8> = serde_json::from_value(golden["order"].clone()).unwrap();
        let rows: Vec<Row> = (0..order.len()).map(|n| row(n as u8, 0)).collect();
        write(&path, &rows, &["one"]);
        let shuffle_seed = golden["seed"].as_u64();
        let rows = Rows::Share { start: 0.0, end: 1.0, shuffle_seed };
        assert_eq!(first_levels(&read(&parquet(path.clone()), &rows).unwrap()), order);
    }
}

#[test]
fn rows_come_in_the_order_asked_for_across_files_and_row_groups() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..2).map(|n| folder.path().join(format!("{n}.parquet"))).collect();
    write(&paths[0], &[row(0, 0), row(1, 1), row(2, 0)], &["a", "b"]);
    write(&paths[1], &[row(3, 1), row(4, 0), row(5, 1)], &["a", "b"]);
    let images = read(&DataFiles::Parquet(paths), &Rows::Indices(vec![5, 0, 3, 0, 2])).unwrap();
    assert_eq!(first_levels(&images), [5, 0, 3, 0, 2]);
    assert_eq!(images.labels(), [1, 0, 1, 0, 0]);
    assert_eq!(images.classes().unwrap(), ["a", "b"]);
}

#[test]
fn an_outline_counts_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.parquet");
    write(&path, &[row(0, 1), row(0, 0), row(0, 1), row(0, 1)], &["a", "b", "c"]);
    let files = parquet(path.clone());
    let outline = source(&files, &Rows::Indices(vec![3, 1, 0])).look(None).unwrap();
    assert_eq!((outline.rows(), outline.largest_label()), (3, Some(1)));
    assert_eq!(outline.classes().unwrap(), ["a", "b", "c"]);
    assert_eq!(outline.labels().iter().collect::<Vec<_>>(), [(&0, &1), (&1, &2)]);
    write(&path, &[row(0, 1), row(0, 2)], &["a", "b"]);
    let beyond = source(&files, &Rows::All).look(None).unwrap_err().remove(0).to_string();
    assert_eq!(beyond, format!("row 1 of `{}` has label 2 in column `label`, outside 0..2", path.display()));
}

#[test]
fn an_image_folders_images_are_those_of_its_list_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("ants", "ants/c.png", 3), ("cats", "cats/a.png", 1), ("cats", "cats/b.png", 2)];
    let images = files.map(|(class, name, level)| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, png([level; 3])).unwrap();
        (class.to_owned(), path)
    });
    for unlisted in ["ants/0.png", "bees/0.png"] {
        std::fs::create_dir_all(folder.path().join(unlisted).parent().unwrap()).unwrap();
        std::fs::write(folder.path().join(unlisted), png([9; 3])).unwrap();
    }
    let classes = ["ants", "bats", "cats"].map(str::to_owned).to_vec();
    let files = DataFiles::ImageFolder { folder: folder.path().into(), classes, images: images.to_vec() };
    let read = || read(&files, &Rows::All);
    let got = read().unwrap();
    assert_eq!(got.classes().unwrap(), ["ants", "bats", "cats"], "also one of which this split has no image");
    assert_eq!((first_levels(&got), got.labels()), (vec![3, 1, 2], &[0, 2, 2][..]));
    std::fs::write(&images[0].1, b"RIFF").unwrap();
    let broken = read().map(|_| ()).unwrap_err();
    assert!(broken.starts_with("the image `") && broken.contains("ants/c.png` cannot be decoded"), "{broken}");
    std::fs::remove_file(&images[0].1).unwrap();
    let gone = read().map(|_| ()).unwrap_err();
    assert!(gone.starts_with("cannot read `") && gone.contains("ants/c.png"), "{gone}");
}

fn idx(folder: &Path, images: &[u8], labels: &[u8]) -> DataFiles {
    let i = folder.join("images-idx3-ubyte");
    let l = folder.join("labels-idx1-ubyte");
    std::fs::write(&i, images).unwrap();
    std::fs::write(&l, labels).unwrap();
    DataFiles::Idx { images: i, labels: l }
}

fn header(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
}

#[test]
fn idx_pairs_are_read_plain_and_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let images = [header(&[0x803, 2, 4, 4]), vec![7; 16], vec![9; 16]].concat();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, &images).unwrap();
    let labels = [header(&[0x801, 2]), vec![1, 0]].concat();
    for images in [images, packed.finish().unwrap()] {
        let images = read(&idx(folder.path(), &images, &labels), &Rows::All).unwrap();
        assert_eq!((first_levels(&images), images.labels()), (vec![7, 9], &[1, 0][..]));
    }
}

#[test]
fn damaged_idx_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let images = [header(&[0x803, 1, 2, 2]), vec![0; 4]].concat();
    let labels = [header(&[0x801, 1]), vec![0]].concat();
    let refused = |images: &[u8], labels: &[u8]| refused(&idx(folder.path(), images, labels));
    assert!(refused(&labels, &labels).ends_with("it begins with 0x00000801, expected 0x00000803"));
    assert!(refused(&images[..18], &labels).ends_with("it holds 2 bytes after its header, expected 4"));
    assert!(refused(&images[..6], &labels).ends_with("it ends inside its header"));
    let two = [header(&[0x801, 2]), vec![0; 2]].concat();
    assert!(refused(&images, &two).ends_with("it has 2 labels for 1 images"), "{}", refused(&images, &two));
    let flat = header(&[0x803, 1, 0, 2]);
    assert!(refused(&flat, &labels).ends_with("its images have 0 × 2 pixels, expected at least one each way"));
    assert!(refused(&[0x1f, 0x8b, 0], &labels).contains("images-idx3-ubyte` is not a readable IDX file"));
}

#[test]
fn bad_rows_are_named_by_file_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.parquet");
    let refused = |rows: &[Row]| {
        write(&path, rows, &["a", "b"]);
        refused(&parquet(path.clone()))
    };
    let name = path.display();
    let label = |n| format!("row 2 of `{name}` has label {n} in column `label`, outside 0..2");
    assert_eq!(refused(&[row(0, 0), row(0, 1), row(0, -1)]), label(-1));
    assert_eq!(refused(&[row(0, 0), row(0, 1), row(0, 2)]), label(2));
    let unlabelled = refused(&[(Some(png([0; 3])), None)]);
    assert_eq!(unlabelled, format!("row 0 of `{name}` has no label in column `label`"));
    let bare = refused(&[row(0, 0), (None, Some(0))]);
    assert_eq!(bare, format!("row 1 of `{name}` has no image bytes in column `image`"));
    let broken = refused(&[row(0, 0), (Some(png([0; 3])[..40].to_vec()), Some(0))]);
    assert!(broken.starts_with(&format!("the image in row 1 of `{name}` cannot be decoded: ")), "{broken}");
    assert_eq!(refused(&[]), format!("no rows are selected of the 0 in `{name}`"));
}

#[test]
fn columns_that_are_missing_or_of_another_kind_are_named() {
    let files = files("mnist", "test");
    let rows = Rows::All;
    let refused = |image_column, label_column| {
        let source = Source { files: &files, image_column, label_column, rows: &rows };
        Images::read(&source, &preprocess(), None).map(|_| ()).unwrap_err().to_string()
    };
    assert!(refused("img", "label").ends_with("has no column `img`; it has `image`, `label`"));
    assert!(refused("image", "class").ends_with("has no column `class`; it has `image`, `label`"));
    let swapped = refused("label", "image");
    assert!(swapped.starts_with("column `label` of `") && swapped.contains("is INT64, expected a struct"), "{swapped}");
    let wrong = refused("image", "image");
    assert!(wrong.ends_with("is a struct or list, expected a whole number"), "{wrong}");
}

#[test]
fn files_that_are_no_data_are_refused() {
    let no_parquet = refused(&parquet(example("base/config.json")));
    assert!(no_parquet.contains("config.json` is not a readable parquet file: "), "{no_parquet}");
    let nowhere = refused(&parquet("nowhere.parquet".into()));
    assert!(nowhere.starts_with("cannot read `nowhere.parquet`: "), "{nowhere}");
    let empty = tempfile::tempdir().unwrap();
    assert!(
        refused(&DataFiles::ImageFolder { folder: empty.path().into(), classes: vec![], images: vec![] })
            .starts_with("no rows are selected of the 0 in `")
    );
    let none = read(&files("mnist", "test"), &Rows::Share { start: 0.5, end: 0.5, shuffle_seed: None });
    assert!(none.map(|_| ()).unwrap_err().starts_with("no rows are selected of the 700 in `"));
}

#[test]
fn a_cache_returns_the_same_images_and_survives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let files = files("flags", "validation");
    let rows = Rows::Share { start: 0.0, end: 0.5, shuffle_seed: Some(3) };
    let cache = DiskCache { folder: folder.path(), digest: "abc" };
    let read = || Images::read(&source(&files, &rows), &preprocess(), Some(&cache)).unwrap();
    let plain = images("flags", "validation", &rows);
    let same = |got: &Images| {
        assert_eq!((got.labels(), got.classes(), got.len()), (plain.labels(), plain.classes(), 160));
        assert!((0..got.len()).all(|n| got.pixels(n) == plain.pixels(n)));
    };
    same(&read());
    let entries: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let [file] = entries.as_slice() else { panic!("one file, not {entries:?}") };
    let whole = std::fs::read(file).unwrap();
    let written = std::fs::metadata(file).unwrap().modified().unwrap();
    same(&read());
    assert_eq!(std::fs::metadata(file).unwrap().modified().unwrap(), written, "a good file is not written again");
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], &[], b"bwlpix02"] {
        std::fs::write(file, damaged).unwrap();
        same(&read());
        assert_eq!(std::fs::read(file).unwrap(), whole, "the file is made anew");
    }
}

#[test]
fn images_are_read_where_no_cache_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "no folder").unwrap();
    let files = files("flags", "validation");
    let rows = Rows::Indices((0..20).collect());
    let cache = DiskCache { folder: &file.join("below"), digest: "abc" };
    let got = Images::read(&source(&files, &rows), &preprocess(), Some(&cache)).unwrap();
    let plain = images("flags", "validation", &rows);
    assert_eq!(got.labels(), plain.labels());
    assert!((0..20).all(|n| got.pixels(n) == plain.pixels(n)));
}

fn jpeg(edge: u32) -> Vec<u8> {
    let image = image::RgbImage::from_fn(edge, edge, |x, y| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// What is said of row 1, which holds these bytes.
fn of_image(bytes: &[u8]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("images.parquet");
    write(&path, &[row(0, 0), (Some(bytes.to_vec()), Some(0))], &["a"]);
    let said = read(&parquet(path.clone()), &Rows::All).map(|_| ());
    said.map_err(|said| said.replace(&format!("the image in row 1 of `{}` cannot be decoded: ", path.display()), ""))
}

#[test]
fn a_jpeg_that_is_cut_short_is_refused_however_little_is_missing() {
    let whole = jpeg(64);
    assert_eq!(of_image(&whole), Ok(()));
    assert_eq!(of_image(&[&whole[..], b"what some camera adds"].concat()), Ok(()));
    let cut_short = Err("the JPEG is cut short: it has no end marker".to_owned());
    for length in [whole.len() - 1, whole.len() - 2, whole.len() - 40, whole.len() * 2 / 3, 700] {
        assert_eq!(of_image(&whole[..length]), cut_short, "{length} of {} bytes", whole.len());
    }
}

#[test]
fn a_png_that_is_cut_short_is_refused() {
    let whole = png([7; 3]);
    for length in [whole.len() - 16, whole.len() / 2, 20, 8] {
        let refused = of_image(&whole[..length]).unwrap_err();
        assert!(refused.starts_with("the decoder refuses it: "), "{length}: {refused}");
    }
}

#[test]
fn images_of_other_formats_are_refused_by_the_formats_name() {
    for (start, what) in [
        (&b"RIFF\x10\0\0\0WEBPVP8L"[..], "an image in WebP"),
        (b"GIF89a", "an image in GIF"),
        (b"BM\x10\0", "an image in BMP"),
        (b"II*\0", "an image in TIFF"),
        (b"\0\0\0\x20ftypavif", "an image in AVIF"),
        (b"\0\0\0\x20ftypheic", "an image in HEIC"),
        (b" <!DOCTYPE html>", "an HTML or XML page"),
    ] {
        let refused = of_image(start).unwrap_err();
        assert_eq!(refused, format!("it is {what}, and only PNG and JPEG are read: convert it to PNG"));
    }
    assert_eq!(of_image(b"").unwrap_err(), "it has no bytes");
    let unknown = of_image(b"not an image").unwrap_err();
    assert_eq!(unknown, "it is no image of a known format: it begins with `not an i`; PNG and JPEG are read");
}

#[test]
fn every_file_of_a_split_names_its_classes_alike() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..2).map(|n| folder.path().join(format!("{n}.parquet"))).collect();
    write(&paths[0], &[row(0, 0), row(1, 1)], &["a", "b"]);
    write(&paths[1], &[row(2, 0), row(3, 1)], &["b", "a"]);
    let differ = format!(
        "`{}` and `{}` name the classes differently: `a`, `b`, and `b`, `a`",
        paths[0].display(),
        paths[1].display()
    );
    assert_eq!(refused(&DataFiles::Parquet(paths.clone())), differ);
    for (classes, problem) in
        [(["a", "a"], "classes 0 and 1 are both called `a`"), (["a", ""], "class 1 has an empty name")]
    {
        write(&paths[0], &[row(0, 0)], &classes);
        let said = refused(&parquet(paths[0].clone()));
        assert_eq!(said, format!("the class names that `{}` states cannot be used: {problem}", paths[0].display()));
    }
}

#[test]
fn labels_that_are_no_whole_numbers_are_called_by_their_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    for (column, found) in [
        ("int64 label (TIMESTAMP(MICROS,true))", "a timestamp"),
        ("int64 label (TIMESTAMP_MILLIS)", "a timestamp"),
        ("int64 label (TIME(MICROS,true))", "a time of day"),
        ("int64 label (DECIMAL(18,2))", "a decimal number"),
    ] {
        write_labelled(&path, column, &[0, 1]);
        let said = refused(&parquet(path.clone()));
        assert_eq!(said, format!("column `label` of `{}` is {found}, expected a whole number", path.display()));
    }
    write_labelled(&path, "int64 label (INTEGER(64,false))", &[0, -1]);
    let said = refused(&parquet(path.clone()));
    assert!(said.contains("row 1 of") && said.contains("has label 18446744073709551615 in column `label`"), "{said}");
    write_labelled(&path, "int64 label (INTEGER(64,true))", &[0, 1]);
    assert_eq!(read(&parquet(path), &Rows::All).unwrap().labels(), [0, 1]);
}

#[test]
fn an_outline_holds_classes_against_a_head_and_another_split() {
    let folder = tempfile::tempdir().unwrap();
    let outline = |labels: &[i64], classes: &[&str]| {
        let path = folder.path().join("x.parquet");
        let rows: Vec<Row> = labels.iter().map(|&label| row(0, label)).collect();
        write(&path, &rows, classes);
        source(&parquet(path), &Rows::All).look(None).unwrap()
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let three = outline(&[0, 2], &["a", "b", "c"]);
    assert_eq!(three.absent_classes(), ["b"]);
    assert!(three.check_head(Some(&names(&["a", "b", "c"])), 3).is_ok());
    assert!(three.check_head(Some(&names(&["a", "c"])), 2).is_ok(), "the class that the head lacks does not occur");
    let absent = outline(&[0, 1], &["a", "b", "c"]).check_head(Some(&names(&["a", "c"])), 2).unwrap_err().to_string();
    assert_eq!(absent, "the data set has examples of `b`, a class that the head does not have; it has `a`, `c`");
    assert!(
        three.check_head(None, 2).unwrap_err().to_string().starts_with("the head has 2 classes, the data set has 3")
    );
    let splits = three.check_same_classes(&outline(&[0], &["a", "c", "b"])).unwrap_err().to_string();
    assert_eq!(splits, "two splits name the classes differently: `a`, `b`, `c`, and `a`, `c`, `b`");
}
