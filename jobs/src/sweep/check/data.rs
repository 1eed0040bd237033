use super::{reference, texts::check_text};
use crate::{
    DataSpec, HubKind, SplitRule, SweepError,
    sweep::{
        convention::Convention,
        file::{DataFile, SplitFile},
        read::typed,
    },
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

pub(super) fn check_data(path: &str, value: Value, folder: &Path) -> Result<DataSpec, SweepError> {
    let file: DataFile = match value {
        Value::String(source) => DataFile { source, ..DataFile::default() },
        map @ Value::Object(_) => typed(map, path)?,
        _ => return Err(SweepError::invalid(path, "is neither a reference nor a map with `source`")),
    };
    let text = check_text(path, &file)?;
    let convention = file.convention.as_deref().and_then(Convention::named);
    let splits = match (file.splits, convention) {
        (Some(splits), _) => check_splits(&format!("{path}.splits"), splits, folder)?,
        (None, convention) => convention.map(Convention::splits).unwrap_or_default(),
    };
    Ok(DataSpec {
        source: reference(path, &file.source, folder, HubKind::Dataset)?,
        image_column: file.image_column.unwrap_or_else(|| "image".to_owned()),
        label_column: file.label_column.unwrap_or_else(|| "label".to_owned()),
        text,
        splits,
    })
}

/// The data of a task that a command evaluates: a file or a folder.
pub(super) fn command_data(path: &str, value: Value, folder: &Path) -> Result<DataSpec, SweepError> {
    let Value::String(source) = value else {
        let problem =
            "is no reference: a command reads data by itself, so that columns, labels and splits are its own affair";
        return Err(SweepError::invalid(path, problem));
    };
    check_data(path, Value::String(source), folder)
}

fn check_splits(
    path: &str,
    files: BTreeMap<String, SplitFile>,
    folder: &Path,
) -> Result<BTreeMap<String, SplitRule>, SweepError> {
    let split = |(name, rule): (String, SplitFile)| {
        let path = format!("{path}.{name}");
        Ok((name, check_split(&path, rule, folder)?))
    };
    files.into_iter().map(split).collect()
}

fn check_split(path: &str, file: SplitFile, folder: &Path) -> Result<SplitRule, SweepError> {
    if let Some([start, end]) = file.share
        && !(0.0 <= start && start < end && end <= 1.0)
    {
        let problem = format!("is [{start}, {end}]; two shares of the rows are expected, 0 ≤ start < end ≤ 1");
        return Err(SweepError::invalid(format!("{path}.share"), problem));
    }
    if file.indices.is_some() && (file.share.is_some() || file.shuffle_seed.is_some()) {
        return Err(SweepError::invalid(path, "has `indices` beside `share` or `shuffle_seed`; use one way"));
    }
    if file.shuffle_like.is_some() && file.shuffle_seed.is_none() {
        return Err(SweepError::invalid(format!("{path}.shuffle_like"), "needs a `shuffle_seed`"));
    }
    let indices = file.indices.map(|text| reference(&format!("{path}.indices"), &text, folder, HubKind::Dataset));
    Ok(SplitRule {
        from: file.from,
        share: file.share,
        shuffle_seed: file.shuffle_seed,
        shuffle_like: file.shuffle_like,
        indices: indices.transpose()?,
    })
}
