use crate::{
    SweepError, TextSpec,
    nearest::nearest,
    sweep::{convention::Convention, file::DataFile},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// What makes the data set one of texts, if something does: `text_columns`, or a convention that has them. Keys beside
/// a convention replace what it says.
pub(super) fn check_text(path: &str, file: &DataFile) -> Result<Option<TextSpec>, SweepError> {
    let convention = file.convention.as_deref().map(|name| named(path, name)).transpose()?;
    if convention.is_none() && file.text_columns.is_none() {
        return no_text_keys(path, file).map(|()| None);
    }
    if file.image_column.is_some() {
        return Err(SweepError::invalid(path, "has `image_column` beside texts; a data set has one or the other"));
    }
    let mut text = convention.map(Convention::text).unwrap_or_default();
    if let Some(columns) = &file.text_columns {
        text.columns.clone_from(columns);
    }
    if let Some(labels) = &file.labels {
        text.labels.clone_from(labels);
    }
    if let Some(labels) = &file.drop_labels {
        let raw = |(i, label)| raw_label(&format!("{path}.drop_labels[{i}]"), label);
        text.drop_labels = labels.iter().enumerate().map(raw).collect::<Result<BTreeSet<_>, _>>()?;
    }
    if let Some(classes) = &file.mask_classes {
        text.mask_classes = classes.iter().copied().collect();
    }
    text.max_length = file.max_length.or(text.max_length);
    let label = file.label_column.as_deref().unwrap_or("label");
    if text.columns.iter().any(|column| column == label) {
        let problem = format!("has `{label}`, which is the `label_column`");
        return Err(SweepError::invalid(format!("{path}.text_columns"), problem));
    }
    check(path, &text)?;
    Ok(Some(text))
}

fn named(path: &str, name: &str) -> Result<Convention, SweepError> {
    Convention::named(name).ok_or_else(|| {
        let names = Convention::names();
        let meant = nearest(name, names).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        let problem = format!("is `{name}`, which is none of `{}`{meant}", names.join("`, `"));
        SweepError::invalid(format!("{path}.convention"), problem)
    })
}

/// Nothing would read these keys of a data set of images.
fn no_text_keys(path: &str, file: &DataFile) -> Result<(), SweepError> {
    let keys = [
        ("labels", file.labels.is_some()),
        ("drop_labels", file.drop_labels.is_some()),
        ("mask_classes", file.mask_classes.is_some()),
        ("max_length", file.max_length.is_some()),
    ];
    match keys.into_iter().find(|(_, is_there)| *is_there) {
        Some((key, _)) => {
            let problem = "is for texts only: it needs `text_columns` or a `convention`";
            Err(SweepError::invalid(format!("{path}.{key}"), problem))
        }
        None => Ok(()),
    }
}

/// A label as it stands in the data; a number and a text that look the same are the same label.
fn raw_label(path: &str, label: &Value) -> Result<String, SweepError> {
    match label {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
        _ => Err(SweepError::invalid(path, format!("is {label}; labels are texts or whole numbers"))),
    }
}

fn check(path: &str, text: &TextSpec) -> Result<(), SweepError> {
    let wrong = |key: &str, problem: String| Err(SweepError::invalid(format!("{path}.{key}"), problem));
    match text.columns.as_slice() {
        [one] if !one.is_empty() => {}
        [one, other] if !one.is_empty() && !other.is_empty() && one != other => {}
        columns => {
            let found = columns.join("`, `");
            return wrong("text_columns", format!("is [`{found}`]; one column is expected, or two different ones"));
        }
    }
    if let Some((raw, class)) = text.labels.iter().find(|(_, class)| text.mask_classes.contains(*class)) {
        return wrong(&format!("labels.{raw}"), format!("is class {class}, which `mask_classes` masks"));
    }
    if let Some(raw) = text.labels.keys().find(|raw| text.drop_labels.contains(*raw)) {
        return wrong(
            &format!("labels.{raw}"),
            "is also among `drop_labels`; a label has a class or is left out".into(),
        );
    }
    match text.max_length {
        Some(0) => wrong("max_length", "is 0; a text has at least one token".into()),
        _ => Ok(()),
    }
}
