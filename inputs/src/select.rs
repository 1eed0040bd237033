//! Which files of a folder make up an input, and errors of files that cannot be read: the same for fetched inputs and
//! for listings.

use crate::{
    InputError,
    data::no_split,
    folder::{Entries, UnreadableEntry},
    layout::{DataKind, MissingFile, SplitFiles, find_split, is_within},
    pointer::is_pointer,
};
use jobs::{DataSpec, InputRef};
use std::path::Path;

/// The files that `select` picks of a folder that should be `role`.
pub(crate) fn picked(
    reference: &InputRef,
    role: &'static str,
    listing: &Entries,
    select: impl Fn(&[String]) -> Result<Vec<String>, MissingFile>,
) -> Result<Vec<String>, InputError> {
    let lacks = |lack: MissingFile| InputError::Lacks { reference: reference.to_string(), role, lacks: lack.0 };
    let files = select(&listing.names).map_err(lacks)?;
    match unreadable_entries(reference, listing, |odd| files.iter().any(|file| file == odd)) {
        Some(error) => Err(error),
        None => Ok(files),
    }
}

/// The files of a split of a data set.
pub(crate) fn picked_split(spec: &DataSpec, split: &str, listing: &Entries) -> Result<SplitFiles, InputError> {
    if listing.names.is_empty() && is_table_file(&spec.source) {
        return Err(no_data_folder(&spec.source));
    }
    let from = spec.splits.get(split).and_then(|rule| rule.from.as_deref()).unwrap_or(split);
    let kind = if spec.text.is_some() { DataKind::Texts } else { DataKind::Images };
    let found = find_split(&listing.names, from, kind);
    let may_hide = |odd: &str| match &found {
        Ok(files) => files.concerns(odd),
        Err(_) => is_within(odd, from) || is_within(odd, "data"),
    };
    match unreadable_entries(&spec.source, listing, may_hide) {
        Some(error) => Err(error),
        None => found.map_err(|reason| no_split(&spec.source, from, reason)),
    }
}

/// The error of a data set whose reference names no folder.
pub(crate) fn as_folder(reference: &InputRef, error: InputError) -> InputError {
    match error {
        InputError::NotA { .. } => no_data_folder(reference),
        InputError::NoObjects { .. } if is_table_file(reference) => no_data_folder(reference),
        error => error,
    }
}

/// The error of entries that matter and cannot be read; `None` without any.
pub(crate) fn unreadable_entries(
    reference: &InputRef,
    listing: &Entries,
    matters: impl Fn(&str) -> bool,
) -> Option<InputError> {
    let mut odd = listing.unreadable.iter().filter(|odd| matters(&odd.name));
    let UnreadableEntry { name, problem } = odd.next()?;
    let more = match odd.count() {
        0 => String::new(),
        more => format!("; {more} other entries are missing or cannot be read either"),
    };
    Some(InputError::Holds {
        reference: reference.to_string(),
        entry: name.clone(),
        problem: format!("{problem}{more}"),
    })
}

/// Refuses a Git LFS pointer. Every file that influences results is checked here before it is parsed.
pub(crate) fn refuse_pointer(reference: &InputRef, path: &Path) -> Result<(), InputError> {
    let reference = || reference.to_string();
    match is_pointer(path) {
        Ok(false) => Ok(()),
        Ok(true) => Err(InputError::LfsPointer { reference: reference(), file: path.to_owned() }),
        Err(source) => Err(InputError::Read { reference: reference(), file: path.to_owned(), source }),
    }
}

fn no_data_folder(reference: &InputRef) -> InputError {
    let expected = "folder: name the one that the files of the splits lie in, and the split by itself";
    InputError::NotA { reference: reference.to_string(), expected }
}

/// Whether a reference to the hub or a bucket seems to name a single file; nothing lies below one.
fn is_table_file(reference: &InputRef) -> bool {
    let path = match reference {
        InputRef::Path(_) | InputRef::Artefact(_) => None,
        InputRef::Hub(hub) => hub.path.as_deref(),
        InputRef::S3(s3) => Some(s3.key.as_str()),
    };
    path.is_some_and(|path| path.ends_with(".parquet") || path.ends_with(".jsonl"))
}
