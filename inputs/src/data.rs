use crate::{
    InputError,
    layout::{NoSplit, SplitFiles},
};
use jobs::{DataFiles, DataSpec, Digest, InputRef, Rows, TextSpec};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

/// The error of a data set that has not the split `split`.
pub(crate) fn no_split(reference: &InputRef, split: &str, reason: NoSplit) -> InputError {
    let reference = reference.to_string();
    match reason {
        NoSplit::Among { looked_for, splits, within } => {
            InputError::NoSplit { reference, split: split.to_owned(), looked_for, splits, within }
        }
        NoSplit::Holds { entry, problem } => InputError::Holds { reference, entry, problem },
        NoSplit::Twice { one, other } => InputError::Twice { reference, split: split.to_owned(), one, other },
        NoSplit::Lacks(lack) => InputError::Lacks { reference, role: "a whole data set", lacks: lack.0 },
    }
}

/// The files of a split as paths below `root`.
pub(crate) fn data_files(root: &Path, files: &SplitFiles) -> DataFiles {
    match files {
        SplitFiles::Parquet(files) => DataFiles::Parquet(files.iter().map(|file| root.join(file)).collect()),
        SplitFiles::Jsonl(files) => DataFiles::Jsonl(files.iter().map(|file| root.join(file)).collect()),
        SplitFiles::Images { folder, images, .. } => {
            let folder = root.join(folder);
            let at = |(class, name): &(String, String)| (class.clone(), folder.join(class).join(name));
            let images: Vec<_> = images.iter().map(at).collect();
            let own = images.iter().map(|(class, _)| class.clone());
            let classes: BTreeSet<String> = own.chain(files.absent_classes()).collect();
            DataFiles::ImageFolder { folder, classes: classes.into_iter().collect(), images }
        }
        SplitFiles::Idx { images, labels } => DataFiles::Idx { images: root.join(images), labels: root.join(labels) },
    }
}

/// The digest of what a split holds: its files' contents in reading order, the columns that count, the rows taken.
///
/// File names do not count, except for images: their folders are the classes, and their order is the order of rows.
/// Classes of other splits count as well, because they shift labels. The digest of images covers all that
/// [`DataFiles::ImageFolder`] hands to a reader.
pub(crate) fn data_digest(files: &SplitFiles, contents: &[Digest], spec: &DataSpec, rows: &Rows) -> Digest {
    let columns = || match &spec.text {
        None => json!({"image": spec.image_column, "label": spec.label_column}),
        Some(text) => json!({"text": text_as_json(text), "label": spec.label_column}),
    };
    let content = match files {
        SplitFiles::Parquet(_) => with(columns(), "parquet", contents),
        SplitFiles::Jsonl(_) => with(columns(), "jsonl", contents),
        SplitFiles::Images { images, .. } => {
            // The key is part of digests, and so of the ids of stored results.
            let mut content = json!({"pictures": images.iter().zip(contents).collect::<Vec<_>>()});
            let absent = files.absent_classes();
            if !absent.is_empty() {
                content["absent_classes"] = json!(absent);
            }
            content
        }
        SplitFiles::Idx { .. } => json!({"idx": contents}),
    };
    Digest::of_json(&json!({"files": content, "rows": rows_as_json(rows)}))
}

fn with(mut columns: Value, format: &str, contents: &[Digest]) -> Value {
    columns[format] = json!(contents);
    columns
}

/// All that decides which texts, classes and tokens come out of the same files.
fn text_as_json(text: &TextSpec) -> Value {
    json!({
        "columns": text.columns,
        "labels": text.labels,
        "drop": text.drop_labels,
        "mask": text.mask_classes,
        "max_length": text.max_length,
    })
}

fn rows_as_json(rows: &Rows) -> Value {
    match rows {
        Rows::All => json!("all"),
        Rows::Share { start, end, shuffle_seed } => json!({"share": [start, end], "seed": shuffle_seed}),
        Rows::TrainTestSplit { start, end, seed } => json!({"share": [start, end], "seed": seed, "like": "datasets"}),
        Rows::Indices(rows) => json!({"indices": rows}),
        Rows::First { count, of } => json!({"first": count, "of": rows_as_json(of)}),
    }
}
