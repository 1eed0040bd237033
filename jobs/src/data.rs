use crate::InputRef;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// A labelled data set: where it lies, which columns count, and how its splits are cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// A folder, on this machine, on the hub or in a bucket.
    pub source: InputRef,
    /// The column that holds the images; nothing reads it of a data set of texts.
    pub image_column: String,
    /// The column that holds the labels.
    pub label_column: String,
    /// What makes it a data set of texts; `None` means images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextSpec>,
    /// Rules for splits that are not simply there under their name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub splits: BTreeMap<String, SplitRule>,
}

/// How texts and their labels are read.
///
/// A raw label is one as it stands in the data, a number or a text; a number and the text that looks like it are the
/// same label. Where the data set names its classes (`ClassLabel`), a number is also known by that name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSpec {
    /// The column with the texts, or the two whose texts are read as pairs.
    pub columns: Vec<String>,
    /// The class in the head of each raw label; without any, a raw label is the number of its class.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, u32>,
    /// Rows with these raw labels are left out, before rows are counted and splits are cut.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub drop_labels: BTreeSet<String>,
    /// Classes of the head that the data set doesn't have: they are never the answer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub mask_classes: BTreeSet<u32>,
    /// The largest number of tokens of a text or pair, special ones included; `None` cuts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
}

/// How one split is cut out of what the data set ships.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRule {
    /// The split of the data set that it is taken from; `None` means the split's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The part of the rows taken, as two shares `[start, end)` of the (shuffled) order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<[f64; 2]>,
    /// Shuffles the rows before a share is taken; `None` keeps their order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle_seed: Option<u64>,
    /// Whose shuffle and cut it is, if not ours; it needs `shuffle_seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shuffle_like: Option<ShuffleLike>,
    /// A JSON file with a list of row numbers; it replaces `share`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indices: Option<InputRef>,
}

/// Another program whose way to shuffle and cut is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShuffleLike {
    /// `train_test_split(seed=…)` of Hugging Face's `datasets`.
    Datasets,
}

/// The files that hold one split of a data set, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataFiles {
    /// Parquet files with the columns of Hugging Face data sets.
    Parquet(Vec<PathBuf>),
    /// Files with one JSON object in each line.
    Jsonl(Vec<PathBuf>),
    /// A folder with one folder of images per class.
    ImageFolder {
        /// The folder that holds the classes' folders.
        folder: PathBuf,
        /// The names of the classes, sorted: those of all splits together. A class's number is its place here.
        classes: Vec<String>,
        /// The class and file of every image, sorted by class and then by file.
        images: Vec<(String, PathBuf)>,
    },
    /// A pair of MNIST IDX files, plain or gzipped.
    Idx {
        /// The `idx3-ubyte` file.
        images: PathBuf,
        /// The `idx1-ubyte` file.
        labels: PathBuf,
    },
}

/// The rows of a split that are taken.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Rows {
    /// All of them, in order.
    #[default]
    All,
    /// Rows ⌊start·n⌋ to ⌊end·n⌋ of the order, shuffled first if a seed is given.
    Share {
        /// The first row, as a share of all, in [0, 1].
        start: f64,
        /// The row after the last, as a share of all, in [0, 1].
        end: f64,
        /// Shuffles before the cut.
        shuffle_seed: Option<u64>,
    },
    /// Rows ⌈start·n⌉ to ⌈end·n⌉ of the order in which `train_test_split(seed=…)` of Hugging Face's `datasets` puts
    /// them. From 0 to its `test_size` they are what it calls "test", and from there to 1 "train".
    TrainTestSplit {
        /// The first row, as a share of all, in [0, 1].
        start: f64,
        /// The row after the last, as a share of all, in [0, 1].
        end: f64,
        /// The seed of the shuffle.
        seed: u64,
    },
    /// The rows with these numbers, in this order.
    Indices(Vec<u64>),
    /// The first rows of another selection. Fewer rows than `count` are refused.
    First {
        /// How many.
        count: u64,
        /// The selection.
        of: Box<Self>,
    },
}
