//! What is reported about a split without decoding or tokenising it.

use crate::parquet_file::{Row, png, write, write_texts};
use evaluation::{Source, TextSource};
use jobs::{DataFiles, Rows, TextSpec};
use std::{fs, path::Path};
use tempfile::TempDir;

fn row(label: i64) -> Row {
    (Some(png([9, 9, 9])), Some(label))
}

fn source<'a>(files: &'a DataFiles, rows: &'a Rows) -> Source<'a> {
    Source { files, image_column: "image", label_column: "label", rows }
}

fn parquet(folder: &TempDir, rows: &[Row], classes: &[&str]) -> DataFiles {
    let path = folder.path().join("test.parquet");
    write(&path, rows, classes);
    DataFiles::Parquet(vec![path])
}

/// All that is wrong, without the folder.
fn messages(folder: &TempDir, errors: Vec<impl std::error::Error>) -> Vec<String> {
    let folder = format!("{}/", folder.path().display());
    errors.into_iter().map(|error| error.to_string().replace(&folder, "")).collect()
}

#[test]
fn a_good_split_tells_its_rows_and_classes() {
    let folder = TempDir::new().unwrap();
    let files = parquet(&folder, &[row(0), row(1), row(1)], &["cat", "dog"]);
    let look = source(&files, &Rows::All).look(Some(2)).unwrap();
    assert_eq!((look.rows(), look.classes().unwrap()), (3, &["cat".to_owned(), "dog".to_owned()][..]));
    assert_eq!(source(&files, &Rows::Indices(vec![2, 0])).look_at_headers().unwrap().rows(), 2);
}

#[test]
fn a_bad_label_and_a_bad_image_are_told_together() {
    let folder = TempDir::new().unwrap();
    let page = (Some(b"<html>not found</html>".to_vec()), Some(0));
    let rows = [row(0), row(1), row(-1), row(2), page];
    let files = parquet(&folder, &rows, &["cat", "dog", "cow"]);
    let all = source(&files, &Rows::All);
    let expected = [
        "row 2 of `test.parquet` has label -1 in column `label`, outside 0..3",
        "the image in row 4 of `test.parquet` cannot be decoded",
    ];
    assert_eq!(messages(&folder, all.look(None).unwrap_err()), expected);
    assert_eq!(
        source(&files, &Rows::Indices(vec![1, 0])).look(Some(2)).unwrap().rows(),
        2,
        "rows that are not taken do not count"
    );
    assert_eq!(all.look_at_headers().unwrap().rows(), 5, "labels stand in rows, not in headers");
}

#[test]
fn labels_are_looked_at_where_images_cannot_be() {
    let folder = TempDir::new().unwrap();
    let files = parquet(&folder, &[row(0), row(7)], &["cat", "dog"]);
    let source = Source { image_column: "photo", ..source(&files, &Rows::All) };
    let expected = [
        "`test.parquet` has no column `photo`; it has `image`, `label`",
        "row 1 of `test.parquet` has label 7 in column `label`, outside 0..2",
    ];
    assert_eq!(messages(&folder, source.look(Some(2)).unwrap_err()), expected);
}

#[test]
fn the_first_image_and_those_that_are_cut_short_are_decoded() {
    let folder = TempDir::new().unwrap();
    let mut cut = png([1, 2, 3]);
    cut.truncate(20);
    let cut = (Some(cut), Some(0));
    let files = parquet(&folder, &[cut.clone(), row(0)], &["cat"]);
    let errors = source(&files, &Rows::All).look(None).unwrap_err();
    assert_eq!(messages(&folder, errors), ["the image in row 0 of `test.parquet` cannot be decoded"]);
    let files = parquet(&folder, &[row(0), cut], &["cat"]);
    let errors = source(&files, &Rows::All).look(None).unwrap_err();
    assert_eq!(messages(&folder, errors), ["the image in row 1 of `test.parquet` cannot be decoded"]);
}

#[test]
fn files_and_columns_are_told_each() {
    let folder = TempDir::new().unwrap();
    let good = folder.path().join("a.parquet");
    write(&good, &[row(0)], &["cat"]);
    fs::write(folder.path().join("b.parquet"), "PAR1 and no more").unwrap();
    let paths = ["a.parquet", "b.parquet", "c.parquet"].map(|name| folder.path().join(name));
    let files = DataFiles::Parquet(paths.to_vec());
    let source = Source { image_column: "label", label_column: "digit", ..source(&files, &Rows::All) };
    let expected = [
        "column `label` of `a.parquet` is INT64, expected a struct with `bytes` of binary data",
        "`a.parquet` has no column `digit`; it has `image`, `label`",
        "`b.parquet` is not a readable parquet file",
        "cannot read `c.parquet`",
    ];
    assert_eq!(messages(&folder, source.look_at_headers().unwrap_err()), expected);
}

#[test]
fn rows_that_are_not_there_are_told() {
    let folder = TempDir::new().unwrap();
    let files = parquet(&folder, &[row(0)], &["cat"]);
    let errors = source(&files, &Rows::Indices(vec![0, 1])).look_at_headers().unwrap_err();
    assert_eq!(messages(&folder, errors), ["row 1 is selected, but `test.parquet` has 1 rows"]);
}

#[test]
fn of_a_folder_of_images_each_is_looked_at() {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        (Path::new(name).parent().unwrap().to_string_lossy().into_owned(), path)
    };
    let good = png([1, 2, 3]);
    let images = vec![put("cat/1.png", &good), put("cat/2.png", &good), put("dog/1.png", b"not an image")];
    let files = |images, classes: &[&str]| {
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        DataFiles::ImageFolder { folder: folder.path().to_owned(), classes, images }
    };
    let all = files(images.clone(), &["cat", "dog"]);
    let errors = source(&all, &Rows::All).look(None).unwrap_err();
    assert_eq!(messages(&folder, errors), ["the image `dog/1.png` cannot be decoded"]);
    assert_eq!(source(&all, &Rows::All).look_at_headers().unwrap().classes().unwrap(), ["cat", "dog"]);
    let good = files(images[..2].to_vec(), &["cat"]);
    assert_eq!(source(&good, &Rows::All).look(Some(1)).unwrap().rows(), 2);
}

fn texts(columns: &[&str]) -> TextSpec {
    TextSpec { columns: columns.iter().map(|column| (*column).to_owned()).collect(), ..TextSpec::default() }
}

#[test]
fn texts_are_told_by_column_and_row() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("test.parquet");
    write_texts(&path, &[(Some("one"), Some(0)), (Some("two"), Some(3))], &["yes", "no", "maybe", "never"]);
    let files = DataFiles::Parquet(vec![path]);
    let look = |columns: &[&str], label: &str, classes| {
        let spec = texts(columns);
        let source = TextSource { files: &files, spec: &spec, label_column: label, rows: &Rows::All };
        source.look(classes).map(|outline| outline.rows()).map_err(|errors| messages(&folder, errors))
    };
    assert_eq!(look(&["a"], "label", Some(4)), Ok(2));
    let beyond = "row 1 of `test.parquet` has a label in column `label` that is class 3, and the head has 3 classes, counted from 0";
    assert_eq!(look(&["a"], "label", Some(3)).unwrap_err(), [beyond]);
    let missing = look(&["a", "b"], "class", None).unwrap_err();
    let has = "it has `a`, `label`";
    let expected = ["b", "class"].map(|name| format!("`test.parquet` has no column `{name}`; {has}"));
    assert_eq!(missing, expected);
}

#[test]
fn a_line_that_is_no_json_is_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("test.jsonl");
    fs::write(&path, "{\"a\": \"x\", \"label\": 0}\n{\"a\": \"x\", \"label\": }\n").unwrap();
    let files = DataFiles::Jsonl(vec![path]);
    let spec = texts(&["a"]);
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let errors = source.look(None).unwrap_err();
    assert_eq!(messages(&folder, errors), ["line 2 of `test.jsonl` is not a JSON object"]);
    source.look_at_headers().unwrap();
}
