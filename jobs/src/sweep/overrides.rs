use super::{SweepError, read::yaml};
use serde_json::{Map, Value};

/// Applies `path=value` to the tree of a sweep file; the value is read as YAML.
///
/// A path goes through maps by key and through lists by number or by the `name` of an entry:
/// `recipe.density=0.3`, `tasks.0.data=data/x`, `tasks.mnist.adapter=adapters/mnist`.
/// The last key may be new; everything before it must exist, except that maps are made on the way.
pub(crate) fn apply(tree: &mut Value, text: &str) -> Result<(), SweepError> {
    let wrong = |problem: String| SweepError::Override { text: text.to_owned(), problem };
    let (path, value) = text.split_once('=').ok_or_else(|| wrong("is not of the form key=value".to_owned()))?;
    let value = yaml(value).map_err(|message| wrong(format!("has a value that is no YAML: {message}")))?;
    let mut place = tree;
    for part in path.split('.') {
        place = match place {
            Value::Array(items) => {
                let named = |item: &Value| item.get("name").and_then(Value::as_str) == Some(part);
                let index = part.parse().ok().or_else(|| items.iter().position(named));
                let item = index.and_then(|index: usize| items.get_mut(index));
                item.ok_or_else(|| wrong(format!("leads nowhere: the list has no `{part}`")))?
            }
            Value::Object(map) => map.entry(part).or_insert(Value::Null),
            empty @ Value::Null => {
                *empty = Value::Object(Map::new());
                empty.as_object_mut().expect("it was just made one").entry(part).or_insert(Value::Null)
            }
            _ => return Err(wrong(format!("leads nowhere: what stands before `{part}` is a plain value"))),
        };
    }
    *place = value;
    Ok(())
}
