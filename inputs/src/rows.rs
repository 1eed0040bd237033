use crate::{InputError, Inputs};
use jobs::{DataSpec, Digest, InputRef, Rows, ShuffleLike, SplitRule};
use std::{collections::HashSet, fs, path::PathBuf};

/// The rows that the rule of `split` takes; all of them if it has no rule.
///
/// Listed rows are themselves part of the digest of a split. If that digest is `expected`, a file that is no list of
/// rows is not the digested one, and the error reveals nothing else: a job may name a private file.
pub(crate) fn rows(
    inputs: &Inputs,
    spec: &DataSpec,
    split: &str,
    expected: Option<Digest>,
) -> Result<Rows, InputError> {
    let Some(rule) = spec.splits.get(split) else { return Ok(Rows::All) };
    match rule {
        SplitRule { indices: Some(file), .. } => {
            let path = inputs.file(file)?.path;
            let content = fs::read(&path).map_err(|source| InputError::unreadable(file, &path, source))?;
            indices(&content, path, file, spec, split).map_err(|error| match expected {
                Some(_) => InputError::OtherRows { reference: file.to_string(), split: split.to_owned() },
                None => error,
            })
        }
        SplitRule { share: None, shuffle_seed: None, shuffle_like: None, .. } => Ok(Rows::All),
        SplitRule { share, shuffle_seed, shuffle_like, .. } => {
            let [start, end] = share.unwrap_or([0.0, 1.0]);
            // Written so that NaN fails as well.
            if 0.0 <= start && start < end && end <= 1.0 {
                return match (shuffle_like, *shuffle_seed) {
                    (None, shuffle_seed) => Ok(Rows::Share { start, end, shuffle_seed }),
                    (Some(ShuffleLike::Datasets), Some(seed)) => Ok(Rows::TrainTestSplit { start, end, seed }),
                    (Some(_), None) => Err(wrong(spec, split, "`shuffle_like` needs a `shuffle_seed`".to_owned())),
                };
            }
            let problem = format!("`share` is [{start}, {end}], and must rise within [0, 1]");
            Err(wrong(spec, split, problem))
        }
    }
}

/// Whether the rows of `split` are listed in a file that has to be fetched from a bucket.
pub(crate) fn has_listed_rows(spec: &DataSpec, split: &str) -> bool {
    let indices = spec.splits.get(split).and_then(|rule| rule.indices.as_ref());
    matches!(indices, Some(InputRef::S3(_)))
}

fn indices(content: &[u8], path: PathBuf, file: &InputRef, spec: &DataSpec, split: &str) -> Result<Rows, InputError> {
    let malformed = |error| InputError::malformed(file, path, "a JSON list of row numbers", &error);
    let rows: Vec<u64> = serde_json::from_slice(content).map_err(malformed)?;
    let mut seen = HashSet::new();
    match rows.iter().position(|row| !seen.insert(*row)) {
        // The digest is not checked yet: the number may come from a private file, and is not shown.
        Some(place) => Err(wrong(
            spec,
            split,
            format!("`indices` file `{file}` lists a row twice, the second time as its entry {}", place + 1),
        )),
        None if rows.is_empty() => Err(wrong(spec, split, format!("`indices` file `{file}` lists no row"))),
        None => Ok(Rows::Indices(rows)),
    }
}

fn wrong(spec: &DataSpec, split: &str, problem: String) -> InputError {
    InputError::Rule { reference: spec.source.to_string(), split: split.to_owned(), problem }
}
