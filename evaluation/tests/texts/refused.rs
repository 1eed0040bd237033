//! What is refused of texts, and with which words.

use super::{line, lines, mapped, read, shortened, single, tokenizer};
use crate::{
    fixture::{chain, nli6},
    parquet_file::write_texts,
};
use evaluation::{PairTokenizer, TextSource, Texts};
use jobs::{DataFiles, Rows, TextSpec};
use std::path::Path;

fn refused(text: &str, spec: &TextSpec) -> String {
    lines(text, spec).unwrap_err()
}

#[test]
fn bad_lines_are_named_by_file_line_and_column() {
    let good = line("x", "y", 0);
    let refused = |bad: &str, spec: &TextSpec| refused(&format!("{good}\n{bad}\n"), spec);
    let broken = refused("{\"a\": ", &single());
    assert!(broken.starts_with("line 3 of `x.jsonl` is not a JSON object: EOF while parsing"), "{broken}");
    assert!(refused("[1]", &single()).starts_with("line 3 of `x.jsonl` is not a JSON object: invalid type"));
    for (bad, problem) in [
        (r#"{"a": "", "label": 0}"#, "an empty text in column `a`"),
        (r#"{"a": null, "label": 0}"#, "no text in column `a`"),
        (r#"{"label": 0}"#, "no text in column `a`"),
        (r#"{"a": 7, "label": 0}"#, "a number in column `a`, expected a text"),
        (r#"{"a": ["x"], "label": 0}"#, "a list in column `a`, expected a text"),
        (r#"{"a": "x", "label": null}"#, "no label in column `label`"),
        (r#"{"a": "x"}"#, "no label in column `label`"),
        (r#"{"a": "x", "label": true}"#, "true or false in column `label`, expected a whole number or a text"),
        (
            r#"{"a": "x", "label": 0.5}"#,
            "a number that is not whole in column `label`, expected a whole number or a text",
        ),
    ] {
        assert_eq!(refused(bad, &single()), format!("line 3 of `x.jsonl` has {problem}"), "{bad}");
    }
}

#[test]
fn columns_that_are_not_there_are_named_with_those_that_are() {
    let spec = TextSpec { columns: vec!["text1".into()], ..TextSpec::default() };
    let lines = refused(&line("x", "y", 0), &spec);
    assert_eq!(lines, "`x.jsonl` has no column `text1`; it has `a`, `b`, `label`");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write_texts(&path, &[(Some("x"), Some(0))], &[]);
    let files = DataFiles::Parquet(vec![path.clone()]);
    let error = read(&files, &spec, &Rows::All, None).unwrap_err();
    assert_eq!(shortened(&error, &path), "`x.parquet` has no column `text1`; it has `a`, `label`");
    let source = TextSource { files: &files, spec: &spec, label_column: "a", rows: &Rows::All };
    let swapped = TextSource { files: &files, spec: &TextSpec { columns: vec!["label".into()], ..single() }, ..source };
    let swapped = Texts::read(&swapped, &tokenizer(None), None).unwrap_err().to_string();
    assert_eq!(shortened(&swapped, &path), "column `label` of `x.parquet` is INT64, expected texts");
}

#[test]
fn labels_without_a_class_are_named_with_those_that_have_one() {
    let text = format!("{}{}", line("x", "y", 0), line("x", "y", 7));
    let unknown = refused(&text, &mapped(&[("0", 0), ("neutral", 1)]));
    let wanted = "line 2 of `x.jsonl` has label `7` in column `label`; `labels` has `0`, `neutral`, and `drop_labels` may \
                  leave rows out";
    assert_eq!(unknown, wanted);
    let no_class = refused(&line("x", "y", -1), &single());
    assert!(no_class.starts_with("line 1 of `x.jsonl` has label `-1` in column `label`, which is no class number;"));
    let masked = TextSpec { mask_classes: [7].into(), ..single() };
    let masked = refused(&text, &masked);
    assert_eq!(
        masked,
        "line 2 of `x.jsonl` has label `7` in column `label`: that is class 7, which `mask_classes` masks"
    );
}

#[test]
fn bad_rows_of_parquet_are_named_only_where_they_are_selected() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    write_texts(&path, &[(Some("x"), Some(0)), (Some("x"), None), (None, Some(0)), (Some(""), Some(0))], &[]);
    let read = |rows: Vec<u64>| {
        let files = DataFiles::Parquet(vec![path.clone()]);
        read(&files, &single(), &Rows::Indices(rows), None).map_err(|error| shortened(&error, &path))
    };
    assert_eq!(read(vec![0]).unwrap().len(), 1);
    assert_eq!(read(vec![0, 1]).unwrap_err(), "row 1 of `x.parquet` has no label in column `label`");
    assert_eq!(read(vec![2]).unwrap_err(), "row 2 of `x.parquet` has no text in column `a`");
    assert_eq!(read(vec![3]).unwrap_err(), "row 3 of `x.parquet` has an empty text in column `a`");
}

#[test]
fn files_that_are_no_texts_are_refused() {
    let nowhere = read(&DataFiles::Jsonl(vec!["nowhere.jsonl".into()]), &single(), &Rows::All, None).unwrap_err();
    assert!(nowhere.starts_with("cannot read `nowhere.jsonl`: "), "{nowhere}");
    let images = DataFiles::Idx { images: "x-images".into(), labels: "x-labels".into() };
    let images = read(&images, &single(), &Rows::All, None).unwrap_err();
    assert_eq!(images, "`x-images` does not hold texts");
    assert_eq!(refused("\n \n", &single()), "no rows are selected of the 0 in `x.jsonl`");
}

#[test]
fn a_tokenizer_that_cannot_be_used_is_named() {
    let open = |path: &Path, max_length| chain(&PairTokenizer::open(path, max_length).unwrap_err());
    let gone = open(Path::new("nowhere/tokenizer.json"), None);
    assert!(gone.starts_with("cannot read `nowhere/tokenizer.json`: "), "{gone}");
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("tokenizer.json");
    std::fs::write(&damaged, "{}").unwrap();
    let message = shortened(&open(&damaged, None), &damaged);
    assert!(message.starts_with("the tokenizer `tokenizer.json` cannot be used: "), "{message}");
    let path = nli6("base/tokenizer.json");
    let short = shortened(&open(&path, Some(2)), &path);
    assert_eq!(short, "`max_length` is 2, and `tokenizer.json` adds 2 special tokens: no room for a text");
}

#[test]
fn tokens_that_the_model_does_not_have_are_named() {
    let texts = lines(&line("A man.", "x", 0), &single()).unwrap();
    let path = nli6("base/tokenizer.json");
    let tokenizer = tokenizer(None);
    texts.check_vocabulary(&tokenizer, 1001).unwrap();
    let error = shortened(&texts.check_vocabulary(&tokenizer, 1000).unwrap_err().to_string(), &path);
    let wanted = "`tokenizer.json` gives the token `<|begin_of_text|>` the id 1000, and the base has 1000 ids (`vocab_size` in \
                  its `config.json`): is it the tokenizer of another model?";
    assert_eq!(error, wanted);
    assert!(texts.check_vocabulary(&tokenizer, 1000).is_err());
    tokenizer.check_vocabulary(1024).unwrap();
    let error = shortened(&tokenizer.check_vocabulary(1001).unwrap_err().to_string(), &path);
    assert!(error.starts_with("`tokenizer.json` gives the token `<|"), "also those that no text has: {error}");
}

#[test]
fn texts_longer_than_the_model_takes_are_counted() {
    let texts =
        lines(&(line("A man.", "x", 0) + &line(super::FIRST, "x", 1) + &line(super::SECOND, "x", 0)), &single())
            .unwrap();
    texts.check_positions(15).unwrap();
    let error = texts.check_positions(6).unwrap_err().to_string();
    let wanted = "2 of 3 texts have more tokens than the base takes, the longest 15 and the base 6 (`max_position_embeddings` in \
                  its `config.json`): set `max_length` to at most 6";
    assert_eq!(error, wanted);
}

#[test]
fn files_that_are_no_lines_of_json_are_called_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    let text = line("x", "y", 0);
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, what) in [
        ([b"\xff\xfe", &utf16[..]].concat(), "a text in UTF-16"),
        (utf16.clone(), "a text in UTF-16"),
        (text.encode_utf16().flat_map(u16::to_be_bytes).collect(), "a text in UTF-16"),
        (b"\x28\xb5\x2f\xfd....".to_vec(), "compressed with Zstandard"),
        (b"BZh9....".to_vec(), "compressed with bzip2"),
        (b"PAR1....".to_vec(), "a parquet file"),
        (format!("[{text}]").into_bytes(), "one JSON list"),
        (format!("\n [{text}]").into_bytes(), "one JSON list"),
        (b"<!DOCTYPE html>".to_vec(), "an HTML or XML page"),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&DataFiles::Jsonl(vec![path.clone()]), &single(), &Rows::All, None).unwrap_err();
        let advice = "expected one JSON object in each line of a text in UTF-8, plain or gzipped: convert it";
        assert_eq!(shortened(&error, &path), format!("`x.jsonl` is {what}; {advice}"));
    }
    std::fs::write(&path, b"\x1f\x8b....").unwrap();
    let error = read(&DataFiles::Jsonl(vec![path.clone()]), &single(), &Rows::All, None).unwrap_err();
    assert!(shortened(&error, &path).starts_with("`x.jsonl` is not a readable gzip file: "), "{error}");
}

#[test]
fn a_line_in_another_encoding_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.jsonl");
    std::fs::write(&path, [line("x", "y", 0).as_bytes(), b"{\"a\": \"caf\xe9\", \"label\": 0}\n"].concat()).unwrap();
    let error = read(&DataFiles::Jsonl(vec![path.clone()]), &single(), &Rows::All, None).unwrap_err();
    assert_eq!(shortened(&error, &path), "line 2 of `x.jsonl` is not UTF-8: save the file as UTF-8");
}

#[test]
fn what_readers_of_json_disagree_about_is_refused() {
    let good = line("x", "y", 0);
    let refused = |bad: &str| refused(&format!("{good}{bad}\n"), &single());
    let twice = refused(r#"{"a": "x", "label": 0, "label": 1}"#);
    assert_eq!(twice, "line 2 of `x.jsonl` has the key `label` twice: take one of the two out");
    for name in ["NaN", "Infinity"] {
        let said = refused(&format!("{{\"a\": \"x\", \"label\": {name}}}"));
        assert_eq!(
            said,
            format!("line 2 of `x.jsonl` holds `{name}`, which is no JSON: write `null`, or take the line out")
        );
    }
    for large in ["18446744073709551615", "9223372036854775808", "1e300"] {
        let said = refused(&format!("{{\"a\": \"x\", \"label\": {large}}}"));
        let found = "a number that is too large in column `label`, expected a whole number or a text";
        assert_eq!(said, format!("line 2 of `x.jsonl` has {found}"));
    }
}
