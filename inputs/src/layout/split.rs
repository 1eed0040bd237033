use super::{Lack, complete, shard};
use std::collections::BTreeSet;

/// The files that hold a split, by how data sets are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SplitFiles {
    /// Parquet files, in reading order.
    Parquet(Vec<String>),
    /// Files of JSON lines, in reading order.
    Jsonl(Vec<String>),
    /// Pictures in one folder per class.
    Pictures {
        /// The folder of the split.
        folder: String,
        /// Class and file name of every picture, sorted by class and then by name.
        pictures: Vec<(String, String)>,
    },
    /// A pair of MNIST IDX files.
    Idx {
        /// The pictures.
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
            Self::Pictures { folder, pictures } => {
                pictures.iter().map(|(class, picture)| format!("{folder}/{class}/{picture}")).collect()
            }
            Self::Idx { images, labels } => vec![images.clone(), labels.clone()],
        }
    }
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
    },
    /// Some of its files are there, and others not.
    Lacks(Lack),
    /// It holds something that would be no row of it, and that nobody should believe to be one.
    Holds {
        /// The file or folder.
        entry: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
}

/// What a data set is made of. Some files mean something for one kind alone: JSON lines beside pictures describe them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataKind {
    /// Labelled pictures.
    Pictures,
    /// Labelled texts.
    Texts,
}

/// Finds `split` among the names of a data set's files.
pub(crate) fn find_split(names: &[String], split: &str, kind: DataKind) -> Result<SplitFiles, NoSplit> {
    let parquet = table_files(names, split, parquet_split);
    if !parquet.is_empty() {
        complete(&parquet).map_err(NoSplit::Lacks)?;
        return Ok(SplitFiles::Parquet(parquet));
    }
    match kind {
        DataKind::Pictures => find_pictures(names, split),
        DataKind::Texts => {
            let lines = table_files(names, split, jsonl_split);
            complete(&lines).map_err(NoSplit::Lacks)?;
            if lines.is_empty() { Err(none(names, split, kind)) } else { Ok(SplitFiles::Jsonl(lines)) }
        }
    }
}

fn find_pictures(names: &[String], split: &str) -> Result<SplitFiles, NoSplit> {
    if names.iter().any(|name| picture_split(name) == Some(split)) {
        return Ok(SplitFiles::Pictures { folder: split.to_owned(), pictures: pictures(names, split)? });
    }
    idx_files(names, split).ok_or_else(|| none(names, split, DataKind::Pictures))
}

fn none(names: &[String], split: &str, kind: DataKind) -> NoSplit {
    NoSplit::Among { looked_for: looked_for(split, kind), splits: splits(names, kind) }
}

/// A data set may hold the same split in several places; the first kind of place that has it counts.
fn table_files(names: &[String], split: &str, split_of: fn(&str) -> Option<(&str, &str)>) -> Vec<String> {
    for folder in ["data", ""] {
        let mut files: Vec<_> = names.iter().filter(|name| split_of(name) == Some((folder, split))).cloned().collect();
        if !files.is_empty() {
            files.sort_unstable();
            return files;
        }
    }
    Vec::new()
}

/// The folder (`data` or none) and split of `[data/]split.parquet`, `[data/]split-00000-of-00001.parquet` or
/// `[data/]split/….parquet`.
fn parquet_split(name: &str) -> Option<(&str, &str)> {
    let (folder, stem) = in_data(name.strip_suffix(".parquet")?);
    match stem.split_once('/') {
        Some((split, file)) => (!file.contains('/')).then_some((folder, split)),
        None => Some((folder, before_number(stem))),
    }
}

/// The folder (`data` or none) and split of `[data/]split.jsonl` or `[data/]split-00000-of-00001.jsonl`.
fn jsonl_split(name: &str) -> Option<(&str, &str)> {
    let (folder, stem) = in_data(name.strip_suffix(".jsonl")?);
    (!stem.contains('/')).then(|| (folder, before_number(stem)))
}

fn in_data(stem: &str) -> (&'static str, &str) {
    stem.strip_prefix("data/").map_or(("", stem), |stem| ("data", stem))
}

/// The split before the number of a file of several. A commit's number may stand at the end of old names:
/// `train-00000-of-00001-a09b….parquet`.
fn before_number(stem: &str) -> &str {
    shard(stem).map_or_else(|| before_dash(stem), |(split, ..)| split)
}

fn before_dash(stem: &str) -> &str {
    stem.split_once('-').map_or(stem, |(split, _)| split)
}

/// The split of `split/class/picture`.
fn picture_split(name: &str) -> Option<&str> {
    let mut parts = name.split('/');
    let (split, _class, picture) = (parts.next()?, parts.next()?, parts.next()?);
    (is_picture(picture) && parts.next().is_none()).then_some(split)
}

fn is_picture(file: &str) -> bool {
    let is_known = |extension: &str| ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    file.rsplit_once('.').is_some_and(|(_, extension)| is_known(extension))
}

/// Class and name of all pictures of a split. Whatever else lies in its classes is refused: left out in silence, it
/// would be a picture or a class less than a person sees there.
fn pictures(names: &[String], split: &str) -> Result<Vec<(String, String)>, NoSplit> {
    let mut pictures = Vec::new();
    for name in names {
        let below = name.strip_prefix(split).and_then(|rest| rest.strip_prefix('/'));
        let Some((class, picture)) = below.and_then(|below| below.split_once('/')) else { continue };
        let problem = match picture {
            "" => "a class without pictures: put some in, or take it out",
            _ if picture.contains('/') => "but pictures lie in their class's folder itself, not deeper",
            _ if !is_picture(picture) => "which is neither `.png`, `.jpg` nor `.jpeg`: convert it, or take it out",
            _ => {
                pictures.push((class.to_owned(), picture.to_owned()));
                continue;
            }
        };
        return Err(NoSplit::Holds { entry: name.clone(), problem });
    }
    // By class first: of whole paths, `cat-a/1.png` would come before `cat/1.png`.
    pictures.sort_unstable();
    Ok(pictures)
}

fn idx_files(names: &[String], split: &str) -> Option<SplitFiles> {
    let prefix = idx_prefix(split)?;
    let find = |kind: &str, dimensions: u8| {
        let candidates = ["", ".gz"].map(|end| format!("{prefix}-{kind}-idx{dimensions}-ubyte{end}"));
        candidates.into_iter().find(|candidate| names.contains(candidate))
    };
    Some(SplitFiles::Idx { images: find("images", 3)?, labels: find("labels", 1)? })
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
        return format!("{parquet}, `[data/]{split}.jsonl`");
    }
    let idx = idx_prefix(split).map(|prefix| format!(", `{prefix}-images-idx3-ubyte[.gz]` with its labels"));
    format!("{parquet}, `{split}/<class>/*.{{png,jpg,jpeg}}`{}", idx.unwrap_or_default())
}

fn splits(names: &[String], kind: DataKind) -> Vec<String> {
    let named = |name: &String| {
        let other = || match kind {
            DataKind::Pictures => picture_split(name),
            DataKind::Texts => jsonl_split(name).map(|(_, split)| split),
        };
        parquet_split(name).map(|(_, split)| split).or_else(other).map(str::to_owned)
    };
    let mut splits: BTreeSet<_> = names.iter().filter_map(named).collect();
    let has_idx = |split: &&str| kind == DataKind::Pictures && idx_files(names, split).is_some();
    splits.extend(["train", "test"].into_iter().filter(has_idx).map(str::to_owned));
    splits.into_iter().collect()
}

#[cfg(test)]
mod tests;
