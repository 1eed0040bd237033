//! The models of a configuration.

use super::super::{Model, Refused, Remarks, task_name, values::names};
use serde_json::{Map, Value};

/// The base, and the models that are merged into it.
pub(super) struct Models {
    pub(super) base: Option<String>,
    pub(super) list: Vec<Listed>,
}

/// A model with the parameters of its own.
pub(super) struct Listed {
    pub(super) model: Model,
    pub(super) parameters: Map<String, Value>,
}

/// How mergekit writes a model: `path+adapter`, or the same as a map.
#[derive(Debug, PartialEq)]
struct Written {
    path: String,
    lora: Option<String>,
}

impl Models {
    pub(super) fn read(keys: &Map<String, Value>, remarks: &mut Remarks) -> Result<Self, Refused> {
        let entries = entries(keys, remarks)?;
        let named = keys.get("base_model").map(written).transpose()?;
        let mut base = named.as_ref().filter(|named| named.lora.is_none()).map(|named| named.path.clone());
        let mut list: Vec<Listed> = Vec::new();
        let mut whole = Vec::new();
        for entry in entries {
            let model = written(entry.get("model").ok_or("has an entry of `models` without `model`")?)?;
            // The base stands in the list of some files, without a weight.
            if model.lora.is_none() && base.as_ref() == Some(&model.path) {
                continue;
            }
            let taken: Vec<Model> = list.iter().map(|listed| listed.model.clone()).collect();
            let place = match model.lora {
                Some(lora) => {
                    if base.as_ref().is_some_and(|base| *base != model.path) {
                        return Err(format!(
                            "merges adapters of two bases, `{}` and `{}`",
                            base.unwrap_or_default(),
                            model.path
                        ));
                    }
                    base.get_or_insert(model.path);
                    Some(reference(&lora))
                }
                None => {
                    whole.push(model.path.clone());
                    None
                }
            };
            let task = task_name(place.as_deref().unwrap_or(&model_name(&whole)), &taken);
            let parameters = entry.get("parameters").and_then(Value::as_object).cloned().unwrap_or_default();
            list.push(Listed { model: Model { task, place }, parameters });
        }
        if list.is_empty() {
            return Err("names no model to merge".to_owned());
        }
        if !whole.is_empty() {
            remarks.left_out.push(format!(
                "the whole models {}: LoRA adapters are merged here; give those that they were made of, with `--adapter NAME=DIR` in the \
                 same order (`mergekit-extract-lora` extracts one of a model)",
                names(whole.iter().map(String::as_str))
            ));
        }
        Ok(Self { base: base.as_deref().map(reference), list })
    }
}

fn model_name(whole: &[String]) -> String {
    whole.last().cloned().unwrap_or_default()
}

/// The entries of `models`, or the sources of the only slice.
fn entries<'a>(keys: &'a Map<String, Value>, remarks: &mut Remarks) -> Result<Vec<&'a Value>, Refused> {
    if let Some(models) = keys.get("models").and_then(Value::as_array) {
        return Ok(models.iter().collect());
    }
    let slices = keys.get("slices").and_then(Value::as_array).ok_or("has neither `models` nor `slices`")?;
    let [slice] = slices.as_slice() else {
        return Err(format!(
            "stacks {} slices of models, and an adapter is merged in the layers that it has",
            slices.len()
        ));
    };
    remarks.left_out.push("`layer_range` of the slice: all layers of the adapters are merged".to_owned());
    slice
        .get("sources")
        .and_then(Value::as_array)
        .map(|sources| sources.iter().collect())
        .ok_or_else(|| "has a slice without `sources`".to_owned())
}

fn written(value: &Value) -> Result<Written, Refused> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        // `{path: …, revision: …}`.
        other => {
            let path = other.get("path")?.as_str()?.to_owned();
            Some(match other.get("revision").and_then(Value::as_str) {
                Some(revision) => format!("{path}@{revision}"),
                None => path,
            })
        }
    };
    let wrong = || format!("has a model that is not understood: {}", super::shown(value));
    if let Some(model) = value.get("model") {
        let path = text(model).ok_or_else(wrong)?;
        return Ok(Written { path, lora: value.get("lora").and_then(text) });
    }
    let whole = text(value).ok_or_else(wrong)?;
    Ok(match whole.split_once('+') {
        Some((path, lora)) => Written { path: path.to_owned(), lora: Some(lora.to_owned()) },
        None => Written { path: whole, lora: None },
    })
}

/// A place as our files name it: `owner/name` is a repository of the hub, unless it is a folder here.
fn reference(place: &str) -> String {
    let is_repository =
        place.matches('/').count() == 1 && !place.starts_with(['/', '.', '~']) && !std::path::Path::new(place).exists();
    if is_repository { format!("hf://{place}") } else { place.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn models_are_written_as_texts_or_as_maps() {
        let expected = |path: &str, lora: Option<&str>| Written { path: path.into(), lora: lora.map(str::to_owned) };
        assert_eq!(written(&json!("a/b")).unwrap(), expected("a/b", None));
        assert_eq!(written(&json!("a/b@main+c/d")).unwrap(), expected("a/b@main", Some("c/d")));
        let map = json!({"model": {"path": "a/b", "revision": "x"}, "lora": {"path": "c/d"}});
        assert_eq!(written(&map).unwrap(), expected("a/b@x", Some("c/d")));
        assert!(written(&json!(3)).is_err());
    }

    #[test]
    fn two_parts_are_a_repository_of_the_hub() {
        assert_eq!(reference("owner/name@rev"), "hf://owner/name@rev");
        for path in ["/models/x", "./a/b", "models", "a/b/c"] {
            assert_eq!(reference(path), path);
        }
    }
}
