//! Texts from files to token ids.

mod refused;

use crate::{
    fixture::{chain, nli6},
    parquet_file::write_texts,
};
use evaluation::{DiskCache, Head, PairTokenizer, TextSource, Texts};
use jobs::{DataFiles, Rows, TextSpec};
use std::path::{Path, PathBuf};

const FIRST: &str = "Anna wrote that the small farmer was sitting on sunday, you know.";
const SECOND: &str = "The farmer was not small.";

fn tokenizer(max_length: Option<u32>) -> PairTokenizer {
    PairTokenizer::open(&nli6("base/tokenizer.json"), max_length).unwrap()
}

fn pairs() -> TextSpec {
    TextSpec { columns: vec!["a".into(), "b".into()], ..TextSpec::default() }
}

fn single() -> TextSpec {
    TextSpec { columns: vec!["a".into()], ..TextSpec::default() }
}

fn mapped(labels: &[(&str, u32)]) -> TextSpec {
    TextSpec { labels: labels.iter().map(|(raw, class)| ((*raw).into(), *class)).collect(), ..single() }
}

/// Reads `text` as a file of lines, with its texts in `a` (and `b`) and its labels in `label`.
fn lines(text: &str, spec: &TextSpec) -> Result<Texts, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, text).unwrap();
    read(&DataFiles::Jsonl(vec![path.clone()]), spec, &Rows::All, None).map_err(|error| shortened(&error, &path))
}

fn read(files: &DataFiles, spec: &TextSpec, rows: &Rows, max_length: Option<u32>) -> Result<Texts, String> {
    let source = TextSource { files, spec, label_column: "label", rows };
    Texts::read(&source, &tokenizer(max_length), None).map_err(|error| chain(&error))
}

/// The message with the file by its name alone.
fn shortened(error: &str, path: &Path) -> String {
    error.replace(&*path.to_string_lossy(), &path.file_name().unwrap().to_string_lossy())
}

fn line(first: &str, second: &str, label: i64) -> String {
    serde_json::json!({"a": first, "b": second, "label": label}).to_string() + "\n"
}

fn ids(texts: &Texts) -> Vec<Vec<u32>> {
    (0..texts.len()).map(|text| texts.ids(text).to_vec()).collect()
}

#[test]
fn pairs_are_cut_as_hugging_faces_tokenizers_cut_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, line(FIRST, SECOND, 0) + &line(SECOND, FIRST, 1) + &line("A man.", "  ", 2)).unwrap();
    let files = DataFiles::Jsonl(vec![path]);
    for (max_length, wanted, truncated) in goldens() {
        let texts = read(&files, &pairs(), &Rows::All, max_length).unwrap();
        assert_eq!(ids(&texts), wanted, "{max_length:?}");
        assert_eq!((texts.truncated(), texts.labels()), (truncated, &[0, 1, 2][..]), "{max_length:?}");
    }
    let texts = read(&files, &single(), &Rows::All, Some(5)).unwrap();
    assert_eq!(texts.ids(0), [1000, 734, 609, 281, 260]);
}

#[test]
fn rows_are_counted_without_those_that_are_dropped() {
    let text: String = (0..6).map(|n| line(&format!("{n}"), "x", if n % 2 == 0 { -1 } else { n })).collect();
    let spec = TextSpec { drop_labels: ["-1".into()].into(), ..single() };
    assert_eq!(lines(&text, &spec).unwrap().labels(), [1, 3, 5]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, text).unwrap();
    let read =
        |rows| read(&DataFiles::Jsonl(vec![path.clone()]), &spec, &rows, None).map(|texts| texts.labels().to_vec());
    assert_eq!(read(Rows::Indices(vec![2, 0])).unwrap(), [5, 1]);
    assert_eq!(read(Rows::Share { start: 0.0, end: 0.7, shuffle_seed: None }).unwrap(), [1, 3]);
    let beyond = shortened(&read(Rows::Indices(vec![3])).unwrap_err(), &path);
    assert_eq!(beyond, "row 3 is selected, but `x.jsonl` has 3 rows");
    let all = TextSpec { drop_labels: ["-1", "1", "3", "5"].map(Into::into).into(), ..single() };
    let none = self::read(&DataFiles::Jsonl(vec![path.clone()]), &all, &Rows::All, None).unwrap_err();
    assert_eq!(shortened(&none, &path), "all 6 rows of `x.jsonl` have labels that are left out");
}

#[test]
fn parquet_and_lines_give_the_same_texts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write_texts(&path, &[(Some(FIRST), Some(1)), (Some(SECOND), Some(0)), (Some("A man."), Some(1))], &["no", "yes"]);
    let parquet = read(&DataFiles::Parquet(vec![path.clone()]), &single(), &Rows::All, None).unwrap();
    assert_eq!(
        parquet,
        lines(&(line(FIRST, "", 1) + &line(SECOND, "", 0) + &line("A man.", "", 1)), &single()).unwrap()
    );
    let by_name = mapped(&[("no", 2), ("yes", 0)]);
    let named = read(&DataFiles::Parquet(vec![path.clone()]), &by_name, &Rows::All, None).unwrap();
    assert_eq!(named.labels(), [0, 2, 0], "labels are known by the names of their classes");
    let dropped = TextSpec { drop_labels: ["yes".into()].into(), ..by_name };
    let named = read(&DataFiles::Parquet(vec![path]), &dropped, &Rows::All, None).unwrap();
    assert_eq!(named.labels(), [2]);
}

fn only_file(folder: &Path) -> PathBuf {
    let entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = entries.as_slice() else { panic!("one file, not {entries:?}") };
    file.clone()
}

#[test]
fn a_cache_returns_the_same_texts_and_survives_damage() {
    let folder = tempfile::tempdir().unwrap();
    let files = DataFiles::Jsonl(vec![nli6("data/rte/validation.jsonl")]);
    let spec = TextSpec { columns: vec!["text1".into(), "text2".into()], ..TextSpec::default() };
    let rows = Rows::TrainTestSplit { start: 0.0, end: 0.5, seed: 42 };
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &rows };
    let cache = DiskCache { folder: folder.path(), digest: "abc" };
    let read = || Texts::read(&source, &tokenizer(Some(28)), Some(&cache)).unwrap();
    let plain = Texts::read(&source, &tokenizer(Some(28)), None).unwrap();
    assert!(plain.truncated() > 0 && plain.truncated() < plain.len());
    assert_eq!(read(), plain);
    let file = only_file(folder.path());
    let whole = std::fs::read(&file).unwrap();
    let written = std::fs::metadata(&file).unwrap().modified().unwrap();
    assert_eq!(read(), plain);
    assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), written, "a good file is not written again");
    let mut flipped = whole.clone();
    flipped[100] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], &[], b"bwltok01"] {
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(read(), plain);
        assert_eq!(std::fs::read(&file).unwrap(), whole, "the file is made anew");
    }
    let longer = Texts::read(&source, &tokenizer(None), Some(&cache)).unwrap();
    assert_ne!(longer, plain, "another length is another file");
}

#[test]
fn texts_are_read_where_no_cache_can_be_made() {
    let folder = tempfile::tempdir().unwrap();
    let files = DataFiles::Jsonl(vec![nli6("data/rte/validation.jsonl")]);
    let file = folder.path().join("a file");
    std::fs::write(&file, "no folder").unwrap();
    let spec = TextSpec { columns: vec!["text1".into()], ..TextSpec::default() };
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let cache = DiskCache { folder: &file.join("below"), digest: "abc" };
    assert_eq!(Texts::read(&source, &tokenizer(None), Some(&cache)).unwrap().len(), 277);
}

#[test]
fn a_classifier_is_read_under_the_name_that_it_has() {
    let head = Head::read(&nli6("heads/qnli.safetensors")).unwrap();
    assert_eq!((head.classes(), head.width()), (3, 128));
    assert_eq!(Head::new(head.weight().to_vec(), 3, 128).unwrap(), head);
    let error = Head::new(head.weight().to_vec(), 2, 128).unwrap_err().to_string();
    assert_eq!(error, "a head of 2 classes with vectors of 128 numbers is not made of 384 numbers");
}

/// What transformers 5 makes of three pairs at several `max_length`s, and how many of them it cuts.
fn goldens() -> [(Option<u32>, [Vec<u32>; 3], usize); 4] {
    let third = || vec![1000, 32, 491, 13, 1000, 220, 220];
    let first = [1000, 734, 609, 281, 260, 348, 480, 274, 382, 418, 414, 11, 328, 311, 13];
    let second = [1000, 272, 480, 274, 551, 348, 13];
    let pair = |one: &[u32], other: &[u32]| [one, other].concat();
    [
        (None, [pair(&first, &second), pair(&second, &first), third()], 0),
        (Some(14), [pair(&first[..7], &second), pair(&second, &first[..7]), third()], 2),
        (Some(8), [pair(&first[..4], &second[..4]), pair(&second[..4], &first[..4]), third()], 2),
        (Some(3), [pair(&first[..2], &second[..1]), pair(&second[..1], &first[..2]), vec![1000, 32, 1000]], 3),
    ]
}

#[test]
fn lines_are_read_as_every_writer_leaves_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let plain = format!("{}{}{}", line("x", "y", 0), line("é", "y", 2), line("z", "y", 1));
    let wanted = lines(&plain, &single()).unwrap();
    let gzipped = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    for bytes in [
        format!("\u{feff}{plain}").into_bytes(),
        plain.replace('\n', "\r\n").into_bytes(),
        plain.replace('\n', "\r").into_bytes(),
        plain.replace('\n', "\n\n").into_bytes(),
        plain.trim_end().as_bytes().to_vec(),
        gzipped(&plain),
        // Two members, as `cat a.gz b.gz` makes them.
        [gzipped(&line("x", "y", 0)), gzipped(&format!("{}{}", line("é", "y", 2), line("z", "y", 1)))].concat(),
        plain.replace("\"label\":0", "\"label\":0.0").replace("\"label\":2", "\"label\":2.0").into_bytes(),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let read = read(&DataFiles::Jsonl(vec![path.clone()]), &single(), &Rows::All, None);
        assert_eq!(read.unwrap(), wanted, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn an_outline_of_texts_needs_no_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, format!("{}{}{}", line("x", "y", 0), line("x", "y", 2), line("x", "y", 0))).unwrap();
    let files = DataFiles::Jsonl(vec![path]);
    let outline =
        TextSource { files: &files, spec: &single(), label_column: "label", rows: &Rows::All }.look(None).unwrap();
    assert_eq!((outline.rows(), outline.classes(), outline.largest_label()), (3, None, Some(2)));
    assert_eq!(outline.labels().iter().collect::<Vec<_>>(), [(&0, &2), (&2, &1)]);
}
