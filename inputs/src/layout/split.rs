mod images;
mod tables;
#[cfg(test)]
mod tests;
mod unread;

use super::MissingFile;
use images::{find_images, image_split};
use std::collections::{BTreeMap, BTreeSet};
use tables::{find_tables, table_split};
use unread::unread;

/// The files that hold a split, by how data sets are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SplitFiles {
    /// Parquet files, in reading order.
    Parquet(Vec<String>),
    /// Files of JSON lines, in reading order.
    Jsonl(Vec<String>),
    /// Images in one folder per class.
    Images {
        /// The folder of the split.
        folder: String,
        /// Class and file name of every image, sorted by class and then by name.
        images: Vec<(String, String)>,
        /// One image of each class of each other split: the classes are those of all splits together.
        beside: Vec<String>,
    },
    /// A pair of MNIST IDX files.
    Idx {
        /// The images.
        images: String,
        /// The labels.
        labels: String,
    },
}

impl SplitFiles {
    /// All files, in reading order.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Parquet(files) | Self::Jsonl(files) => files.clone(),
            Self::Images { folder, images, .. } => {
                images.iter().map(|(class, image)| format!("{folder}/{class}/{image}")).collect()
            }
            Self::Idx { images, labels } => vec![images.clone(), labels.clone()],
        }
    }

    /// The classes that only other splits have, sorted.
    pub(crate) fn absent_classes(&self) -> Vec<String> {
        let Self::Images { images, beside, .. } = self else { return Vec::new() };
        let own: BTreeSet<&str> = images.iter().map(|(class, _)| class.as_str()).collect();
        let absent: BTreeSet<&str> = beside.iter().filter_map(|name| class_of(name)).collect();
        absent.difference(&own).map(|class| (*class).to_owned()).collect()
    }

    /// Files of other splits from which this one has classes, if there are any.
    pub(crate) fn beside(&self) -> &[String] {
        match self {
            Self::Images { beside, .. } if !self.absent_classes().is_empty() => beside,
            Self::Images { .. } | Self::Parquet(_) | Self::Jsonl(_) | Self::Idx { .. } => &[],
        }
    }

    /// Whether the entry `name` is a part of the split, or would be one if it could be read.
    pub(crate) fn concerns(&self, name: &str) -> bool {
        match self {
            Self::Images { folder, .. } => is_within(name, folder),
            Self::Parquet(_) | Self::Jsonl(_) | Self::Idx { .. } => {
                self.names().iter().any(|own| own == name || is_within(own, name))
            }
        }
    }
}

/// Whether `name` is the folder `folder` or lies in it.
pub(crate) fn is_within(name: &str, folder: &str) -> bool {
    name.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The class of `split/class/image`.
fn class_of(name: &str) -> Option<&str> {
    name.split('/').nth(1)
}

/// Why a split was not found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoSplit {
    /// The data set has others.
    Among {
        /// The files that were looked for.
        looked_for: String,
        /// The splits that are there.
        splits: Vec<String>,
        /// Folders of the data set that have the split.
        within: Vec<String>,
    },
    /// Some of its files are there, and others not.
    Lacks(MissingFile),
    /// It is there in two forms, of which one may be older than the other.
    Twice {
        /// A file of the one.
        one: String,
        /// A file of the other.
        other: String,
    },
    /// It has an entry that would silently be no row.
    Holds {
        /// The file or folder.
        entry: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

/// What a data set is made of. Some files mean something for one kind alone: JSON lines beside images describe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// Labelled images.
    Images,
    /// Labelled texts.
    Texts,
}

/// Finds `split` among the names of a data set's files. A split that is there in two forms is refused: rows would
/// count twice, or one of the two would silently not count.
pub(crate) fn find_split(names: &[String], split: &str, kind: DataKind) -> Result<SplitFiles, NoSplit> {
    match here(names, split, kind)? {
        Some(files) => Ok(files),
        None => {
            let within = within(names, split, kind);
            let unread = unread(names, split, kind).filter(|_| within.is_empty());
            let looked_for = looked_for(split, kind);
            let splits = splits(names, kind);
            Err(unread.unwrap_or(NoSplit::Among { looked_for, splits, within }))
        }
    }
}

fn here(names: &[String], split: &str, kind: DataKind) -> Result<Option<SplitFiles>, NoSplit> {
    let mut found = Vec::new();
    found.extend(find_tables(names, split, kind)?);
    if kind == DataKind::Images {
        found.extend(find_images(names, split)?);
        found.extend(idx_files(names, split));
    }
    let first_name = |files: &SplitFiles| files.names().first().cloned().unwrap_or_default();
    match found.as_slice() {
        [one, other, ..] => Err(NoSplit::Twice { one: first_name(one), other: first_name(other) }),
        _ => Ok(found.pop()),
    }
}

/// Folders that are data sets with that split: configurations, each in a folder of its own.
fn within(names: &[String], split: &str, kind: DataKind) -> Vec<String> {
    let mut folders: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (folder, name) in names.iter().filter_map(|name| name.split_once('/')) {
        folders.entry(folder).or_default().push(name.to_owned());
    }
    folders.retain(|_, below| matches!(here(below, split, kind), Ok(Some(_))));
    folders.into_keys().map(str::to_owned).collect()
}

/// Plain files go before gzipped ones: where MNIST is unpacked, both are there.
fn idx_files(names: &[String], split: &str) -> Option<SplitFiles> {
    let prefix = idx_prefix(split)?;
    let images = find_idx(names, prefix, "images", 3)?;
    let labels = find_idx(names, prefix, "labels", 1)?;
    Some(SplitFiles::Idx { images, labels })
}

/// One file of a pair. Some copies have a dot in its name, or lie in a folder of the same name.
fn find_idx(names: &[String], prefix: &str, kind: &str, dimensions: u8) -> Option<String> {
    let name = |dash: &str, end: &str| format!("{prefix}-{kind}{dash}idx{dimensions}-ubyte{end}");
    let files = [("-", ""), ("-", ".gz"), (".", ""), (".", ".gz")].map(|(dash, end)| name(dash, end));
    let in_folders = files.iter().map(|file| format!("{file}/{file}"));
    files.iter().cloned().chain(in_folders).find(|file| names.contains(file))
}

fn idx_prefix(split: &str) -> Option<&'static str> {
    match split {
        "train" => Some("train"),
        "test" => Some("t10k"),
        _ => None,
    }
}

fn looked_for(split: &str, kind: DataKind) -> String {
    let parquet = format!("`[data/]{split}-*.parquet`, `{split}/*.parquet`");
    if kind == DataKind::Texts {
        return format!("{parquet}, `[data/]{split}.jsonl[.gz]`");
    }
    let idx = idx_prefix(split).map(|prefix| format!(", `{prefix}-images-idx3-ubyte[.gz]` with its labels"));
    format!("{parquet}, `{split}/<class>/*.{{png,jpg,jpeg}}`{}", idx.unwrap_or_default())
}

/// The splits that a data set most often has.
const USUAL: [&str; 3] = ["train", "validation", "test"];

/// Folders that are data sets with one of the usual splits, where the folder around them has none.
pub(crate) fn folders_with_splits(names: &[String], kind: DataKind) -> Vec<String> {
    let is_usual = |split: &String| USUAL.contains(&split.as_str());
    if splits(names, kind).iter().any(is_usual) {
        return Vec::new();
    }
    let folders: BTreeSet<String> = USUAL.into_iter().flat_map(|split| within(names, split, kind)).collect();
    folders.into_iter().collect()
}

/// All splits, by the names of files alone.
pub(crate) fn splits(names: &[String], kind: DataKind) -> Vec<String> {
    let named = |name: &String| {
        let other = || (kind == DataKind::Images).then(|| image_split(name)).flatten();
        table_split(name, kind).or_else(other).map(str::to_owned)
    };
    let mut splits: BTreeSet<_> = names.iter().filter_map(named).collect();
    let has_idx = |split: &&str| kind == DataKind::Images && idx_files(names, split).is_some();
    splits.extend(["train", "test"].into_iter().filter(has_idx).map(str::to_owned));
    splits.into_iter().collect()
}
