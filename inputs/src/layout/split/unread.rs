//! Files that the user may have intended as a split that does not exist in a readable form.

use super::{
    DataKind, NoSplit, find_idx, idx_prefix,
    images::is_image,
    tables::{is_lines, without_data},
};

/// Tables that are not read, or not under such a name.
const TABLES: [&str; 14] = [
    ".parquet",
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
    ".jsonl.xz",
    ".jsonl.bz2",
    ".csv",
    ".csv.gz",
    ".csv.zst",
    ".tsv",
    ".tsv.gz",
    ".tsv.zst",
    ".arrow",
    ".feather",
];

/// Endings of tables that are read.
const READ: [&str; 3] = [".parquet", ".jsonl", ".jsonl.gz"];

/// Images that are not read.
const UNREAD_IMAGES: [&str; 8] = [".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".ppm"];

/// Files in place of `split`, if it exists in no readable form.
pub(super) fn unread(names: &[String], split: &str, kind: DataKind) -> Option<NoSplit> {
    let of_name = |name: &String| Some((name.clone(), problem(name, split, kind)?));
    let idx = || idx_problem(names, split).filter(|_| kind == DataKind::Images);
    let (entry, problem) = names.iter().find_map(of_name).or_else(idx)?;
    Some(NoSplit::Holds { entry, problem })
}

fn problem(name: &str, split: &str, kind: DataKind) -> Option<String> {
    let below = without_data(name);
    let is_in_data = below != name;
    let are_images = kind == DataKind::Images;
    let parts: Vec<&str> = below.split('/').collect();
    match parts.as_slice() {
        [file] => table_problem(file, split, kind),
        [of, ..] if *of != split => None,
        [_, file] if are_images && !is_in_data && is_image(file) => {
            Some(format!("an image outside the folders of the classes: put it into one, as `{split}/<class>/{file}`"))
        }
        [_, file] if !are_images && is_lines(file) => Some(format!(
            "which is not read there: JSON lines are called `{split}.jsonl`, or `{split}-00000-of-00001.jsonl` and so on, and lie in \
             no folder of their own"
        )),
        [_, _, .., file] if are_images && is_in_data && (file.is_empty() || is_image(file)) => Some(
            "which is not looked into: images in the folders of their classes lie in that of the split; if those are meant, name \
             the folder `data` in the reference"
                .to_owned(),
        ),
        [_, _, file] if are_images && UNREAD_IMAGES.iter().any(|ending| file.to_lowercase().ends_with(ending)) => {
            Some("which is neither `.png`, `.jpg` nor `.jpeg`: convert it, or take it out".to_owned())
        }
        _ => None,
    }
}

fn table_problem(file: &str, split: &str, kind: DataKind) -> Option<String> {
    let lower = file.to_lowercase();
    let rest = lower.strip_prefix(&split.to_lowercase())?;
    let ending = TABLES.iter().filter(|ending| rest.ends_with(**ending)).max_by_key(|ending| ending.len())?;
    let is_of_split = rest.len() == ending.len() || rest.starts_with('-');
    // Beside images, tables of other kinds describe them.
    if !is_of_split || kind == DataKind::Images && *ending != ".parquet" {
        return None;
    }
    let known = "tables are `.parquet`, and files with one JSON object in each line `.jsonl` or `.jsonl.gz`";
    Some(if READ.contains(ending) {
        format!("which is not read for the capitals in its name: call it `{split}{rest}`")
    } else {
        format!("which is not read: {known}")
    })
}

/// Half a pair of IDX files, or one of another name.
fn idx_problem(names: &[String], split: &str) -> Option<(String, String)> {
    let prefix = idx_prefix(split)?;
    let images = find_idx(names, prefix, "images", 3);
    let labels = find_idx(names, prefix, "labels", 1);
    if let (Some(images), None) = (&images, &labels) {
        return Some((
            images.clone(),
            format!("but not its labels, `{prefix}-labels-idx1-ubyte[.gz]`: put them beside it"),
        ));
    }
    if let (None, Some(labels)) = (&images, &labels) {
        let problem = format!("but not its images, `{prefix}-images-idx3-ubyte[.gz]`: put them beside it");
        return Some((labels.clone(), problem));
    }
    let is_idx = |name: &&String| name.to_lowercase().contains("idx3-ubyte");
    let is_of_others = |name: &String| ["train", "test"].iter().any(|other| *other != split && name.contains(other));
    let other = names.iter().filter(is_idx).find(|name| name.contains(split) || !is_of_others(name))?;
    let problem = format!(
        "which is not read under that name: call the pair of split `{split}` `{prefix}-images-idx3-ubyte[.gz]` and \
         `{prefix}-labels-idx1-ubyte[.gz]`"
    );
    Some((other.clone(), problem))
}
