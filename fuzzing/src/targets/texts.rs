//! Texts: JSON lines and tables.

use super::{examples, nothing, put, tables, tokenizers};
use crate::{Format, Target, target::chains};
use evaluation::{PairTokenizer, TextSource, Texts, table_columns};
use jobs::{DataFiles, Rows, TextSpec, error_chain};
use parquet::{basic::Compression, file::properties::WriterVersion};
use std::{path::Path, sync::OnceLock};

const LINES: &str = r#"{"a": "Frank sold the violin.", "b": "He comes from Porto.", "label": 0}
{"a": "Karla bought the bakery.", "b": "x", "label": 1, "idx": 1, "more": [1, {"x": null}]}
{"a": "\u00e9\ud83e\udd80", "b": " ", "label": "2"}
"#;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target {
            name: "json-lines",
            format: Format::JsonLines,
            seeds: || vec![LINES.as_bytes().to_vec()],
            prepare: nothing,
            read: |folder, input| {
                put(folder, "texts.jsonl", input);
                read(&DataFiles::Jsonl(vec![folder.join("texts.jsonl")]), ["a", "b"])
            },
            named: "texts.jsonl",
        },
        Target {
            name: "text-parquet",
            format: Format::Parquet,
            seeds: || {
                vec![
                    tables::of_texts(Compression::SNAPPY, WriterVersion::PARQUET_1_0),
                    tables::of_texts(Compression::UNCOMPRESSED, WriterVersion::PARQUET_2_0),
                    examples::file("examples/nli6/data/snli/validation.parquet"),
                ]
            },
            prepare: nothing,
            read: |folder, input| {
                put(folder, "texts.parquet", input);
                read(&DataFiles::Parquet(vec![folder.join("texts.parquet")]), ["premise", "hypothesis"])
            },
            named: "texts.parquet",
        },
    ]
}

fn read(files: &DataFiles, columns: [&str; 2]) -> Result<String, String> {
    static TOKENIZER: OnceLock<PairTokenizer> = OnceLock::new();
    let tokenizer = TOKENIZER.get_or_init(|| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6/base/tokenizer.json");
        PairTokenizer::open(&path, Some(64)).unwrap_or_else(|error| unreachable!("the example is read: {error}"))
    });
    let spec = TextSpec {
        columns: columns.map(str::to_owned).to_vec(),
        drop_labels: ["-1".to_owned()].into(),
        ..TextSpec::default()
    };
    let source = TextSource { files, spec: &spec, label_column: "label", rows: &Rows::All };
    let outline = source.look(Some(3)).map(|outline| format!("{outline:?}")).map_err(|errors| chains(&errors));
    let texts = Texts::read(&source, tokenizer, None).map_err(|error| error_chain(&error))?;
    let columns = table_columns(files).map_err(|error| error_chain(&error));
    let labels = source.raw_labels().map_err(|error| error_chain(&error));
    Ok(format!("{outline:?} {texts:?} {columns:?} {labels:?}"))
}

/// Three texts through a tokenizer.
pub(super) fn tokenised(folder: &Path, tokenizer: &PairTokenizer) -> Result<String, String> {
    put(folder, "texts.jsonl", tokenizers::TEXTS);
    let files = DataFiles::Jsonl(vec![folder.join("texts.jsonl")]);
    let spec = TextSpec { columns: vec!["a".to_owned(), "b".to_owned()], ..TextSpec::default() };
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let texts = Texts::read(&source, tokenizer, None).map_err(|error| error_chain(&error))?;
    Ok(format!("{texts:?}"))
}
