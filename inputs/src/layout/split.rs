use super::{Lack, complete, shard};
use std::collections::BTreeSet;

/// The files that hold a split, by how data sets are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SplitFiles {
    /// Parquet files, in reading order.
    Parquet(Vec<String>),
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
            Self::Parquet(files) => files.clone(),
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

/// Finds `split` among the names of a data set's files.
pub(crate) fn find_split(names: &[String], split: &str) -> Result<SplitFiles, NoSplit> {
    let parquet = parquet_files(names, split);
    if !parquet.is_empty() {
        complete(&parquet).map_err(NoSplit::Lacks)?;
        return Ok(SplitFiles::Parquet(parquet));
    }
    if names.iter().any(|name| picture_split(name) == Some(split)) {
        return Ok(SplitFiles::Pictures { folder: split.to_owned(), pictures: pictures(names, split)? });
    }
    if let Some(idx) = idx_files(names, split) {
        return Ok(idx);
    }
    Err(NoSplit::Among { looked_for: looked_for(split), splits: splits(names) })
}

/// A data set may hold the same split in several places; the first kind of place that has it counts.
fn parquet_files(names: &[String], split: &str) -> Vec<String> {
    for folder in ["data", ""] {
        let mut files: Vec<_> =
            names.iter().filter(|name| parquet_split(name) == Some((folder, split))).cloned().collect();
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
    let stem = name.strip_suffix(".parquet")?;
    let (folder, stem) = stem.strip_prefix("data/").map_or(("", stem), |stem| ("data", stem));
    match stem.split_once('/') {
        Some((split, file)) => (!file.contains('/')).then_some((folder, split)),
        // A commit's number may stand at the end of old names: `train-00000-of-00001-a09b….parquet`.
        None => Some((folder, shard(stem).map_or_else(|| before_dash(stem), |(split, ..)| split))),
    }
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

fn looked_for(split: &str) -> String {
    let idx = idx_prefix(split).map(|prefix| format!(", `{prefix}-images-idx3-ubyte[.gz]` with its labels"));
    format!(
        "`[data/]{split}-*.parquet`, `{split}/*.parquet`, `{split}/<class>/*.{{png,jpg,jpeg}}`{}",
        idx.unwrap_or_default()
    )
}

fn splits(names: &[String]) -> Vec<String> {
    let named = |name: &String| match parquet_split(name) {
        Some((_, split)) => Some(split.to_owned()),
        None => picture_split(name).map(str::to_owned),
    };
    let mut splits: BTreeSet<_> = names.iter().filter_map(named).collect();
    splits.extend(["train", "test"].into_iter().filter(|split| idx_files(names, split).is_some()).map(str::to_owned));
    splits.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn parquet_files_are_found_in_every_usual_place_and_in_order() {
        for (there, wanted) in [
            (vec!["data/test-00000-of-00001.parquet"], vec!["data/test-00000-of-00001.parquet"]),
            (vec!["test-00000-of-00001-a09b74b3.parquet"], vec!["test-00000-of-00001-a09b74b3.parquet"]),
            (vec!["test/0001.parquet", "test/0000.parquet"], vec!["test/0000.parquet", "test/0001.parquet"]),
            (vec!["test.parquet"], vec!["test.parquet"]),
            (
                vec!["test-00001-of-00002.parquet", "test-00000-of-00002.parquet"],
                vec!["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"],
            ),
        ] {
            let mut there = names(&there);
            there.extend(names(&["README.md", "train-00000-of-00001.parquet", "test2-00000-of-00001.parquet"]));
            assert_eq!(find_split(&there, "test").unwrap(), SplitFiles::Parquet(names(&wanted)));
        }
    }

    #[test]
    fn a_split_is_not_taken_twice_or_in_part() {
        let both = names(&["data/test-00000-of-00001.parquet", "test/0.parquet"]);
        assert_eq!(
            find_split(&both, "test").unwrap(),
            SplitFiles::Parquet(names(&["data/test-00000-of-00001.parquet"]))
        );
        let part = names(&["test-00000-of-00002.parquet"]);
        assert!(matches!(find_split(&part, "test"), Err(NoSplit::Lacks(_))));
    }

    #[test]
    fn pictures_and_idx_files_are_splits_too() {
        let pictures = names(&["test/cat/2.PNG", "test/cat/1.jpg", "test/notes.txt", "train/cat/1.jpg"]);
        assert_eq!(find_split(&pictures, "test").unwrap().names(), ["test/cat/1.jpg", "test/cat/2.PNG"]);
        let idx = names(&["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte"]);
        assert_eq!(find_split(&idx, "test").unwrap().names(), idx[..2]);
        assert!(find_split(&idx, "train").is_err(), "the labels are not there");
    }

    #[test]
    fn pictures_are_sorted_by_class_before_their_name() {
        let there = names(&["test/cat-a/1.png", "test/cat/2.png", "test/cat/1.png"]);
        let sorted = find_split(&there, "test").unwrap().names();
        assert_eq!(sorted, ["test/cat/1.png", "test/cat/2.png", "test/cat-a/1.png"]);
    }

    #[test]
    fn what_is_no_picture_in_a_class_is_refused_by_name() {
        for (entry, why) in [
            ("test/cat/2.webp", "neither `.png`, `.jpg` nor `.jpeg`"),
            ("test/cat/README", "neither `.png`, `.jpg` nor `.jpeg`"),
            ("test/dog/", "a class without pictures"),
            ("test/cat/more/2.png", "not deeper"),
            ("test/cat/more/", "not deeper"),
        ] {
            let refused = find_split(&names(&["test/cat/1.png", entry]), "test").unwrap_err();
            let NoSplit::Holds { entry: named, problem } = refused else { panic!("{entry}: {refused:?}") };
            assert_eq!(named, entry);
            assert!(problem.contains(why), "{entry}: {problem}");
            assert!(find_split(&names(&["train/cat/1.png", entry]), "train").is_ok(), "{entry} is in another split");
        }
    }

    #[test]
    fn the_splits_that_are_there_are_named() {
        let there = names(&["data/train-00000-of-00001.parquet", "cars_test/a/1.png", "t10k-images-idx3-ubyte"]);
        let Err(NoSplit::Among { looked_for, splits }) = find_split(&there, "test") else { panic!() };
        assert_eq!(splits, ["cars_test", "train"]);
        assert!(looked_for.contains("test-*.parquet") && looked_for.contains("t10k-images"), "{looked_for}");
    }
}
