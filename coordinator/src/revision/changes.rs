use super::keys::{Entry, Keys};
use jobs::{Change, Digest, Manifest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The changes that make `now` a new revision of `earlier`; none if they have the same meaning.
///
/// A key about an input counts only if the digest of the input differs. Another digest counts whatever the keys are. If
/// all digests and all other keys are the same, every job and every choice is the same.
pub(super) fn changes(earlier: &Manifest, now: &Manifest) -> Vec<Change> {
    let differing = differing(&earlier.digests, &now.digests);
    let from = Keys::of(&earlier.sweep);
    let to = Keys::of(&now.sweep);
    let mut changes = of_lists(&from, &to);
    let named: BTreeSet<String> = changes.iter().filter_map(named).collect();
    let items: BTreeSet<String> = items(&from).chain(items(&to)).collect();
    let is_named = |key: &str| item_of(key, &items).is_some_and(|item| named.contains(item));
    let mut explained: BTreeSet<&String> = BTreeSet::new();
    for key in from.values.keys().chain(to.values.keys()).collect::<BTreeSet<_>>() {
        let before = from.values.get(key);
        let after = to.values.get(key);
        let inputs = || before.into_iter().chain(after).flat_map(|entry| &entry.inputs);
        let is_meant = inputs().next().is_none() || inputs().any(|input| differing.contains(input));
        if value_of(before) == value_of(after) || !is_meant || is_named(key) {
            continue;
        }
        explained.extend(inputs());
        changes.extend(of_key(key, value_of(before), value_of(after)));
    }
    let is_meant = !changes.is_empty();
    for input in differing.iter().filter(|input| !explained.contains(input)) {
        let from = earlier.digests.get(input).copied();
        let to = now.digests.get(input).copied();
        // An input that was added or removed belongs to a task that is listed already.
        if from.is_some() && to.is_some() || !is_meant {
            changes.push(Change::Content { input: input.clone(), from, to });
        }
    }
    changes
}

/// Whether two sweeps are unrelated: no task in common, neither by its name nor by its adapter. A common base does not
/// count, because many sweeps share one.
pub(super) fn is_unrelated(one: &Manifest, other: &Manifest) -> bool {
    let names = |of: &Manifest| of.sweep.tasks.iter().map(|task| task.name.clone()).collect::<BTreeSet<_>>();
    let adapters = |of: &Manifest| {
        let adapters = of.digests.iter().filter(|(key, _)| key.starts_with("adapters."));
        adapters.map(|(_, digest)| *digest).collect::<BTreeSet<_>>()
    };
    names(one).is_disjoint(&names(other)) && adapters(one).is_disjoint(&adapters(other))
}

/// The inputs whose digests differ.
fn differing(from: &BTreeMap<String, Digest>, to: &BTreeMap<String, Digest>) -> BTreeSet<String> {
    from.keys().chain(to.keys()).filter(|key| from.get(*key) != to.get(*key)).cloned().collect()
}

/// The names that lists gained or lost, and lists with the same names in another order.
fn of_lists(from: &Keys, to: &Keys) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, after) in &to.lists {
        let Some(before) = from.lists.get(key) else { continue };
        // A parameter is listed with its values.
        if !key.ends_with(".parameters") {
            let at = |name: &&String| format!("{key}.{name}");
            let gone = before.iter().filter(|name| !after.contains(name));
            let come = after.iter().filter(|name| !before.contains(name));
            changes.extend(gone.map(|name| Change::Removed { key: at(&name) }));
            changes.extend(come.map(|name| Change::Added { key: at(&name) }));
        }
        let common = |names: &[String], others: &[String]| -> Vec<String> {
            names.iter().filter(|name| others.contains(name)).cloned().collect()
        };
        let common_before = common(before, after);
        let common_after = common(after, before);
        if common_before != common_after {
            let [from, to] = apart(&common_before.join(", "), &common_after.join(", ")).map(Some);
            changes.push(Change::Value { key: key.clone(), from, to });
        }
    }
    changes
}

/// The key of something that was added or removed. Its content is not listed.
fn named(change: &Change) -> Option<String> {
    match change {
        Change::Added { key } | Change::Removed { key } => Some(key.clone()),
        Change::Value { .. } | Change::Content { .. } => None,
    }
}

/// The keys of all items of all lists.
fn items(keys: &Keys) -> impl Iterator<Item = String> {
    keys.lists.iter().flat_map(|(list, names)| names.iter().map(move |name| format!("{list}.{name}")))
}

/// The item of a list that the key belongs to. Names may have dots: of `tasks.a` and `tasks.a.b`, the longer one.
fn item_of<'a>(key: &str, items: &'a BTreeSet<String>) -> Option<&'a String> {
    let is_below = |rest: &str| rest.is_empty() || rest.starts_with('.');
    let over = items.iter().filter(|item| key.strip_prefix(item.as_str()).is_some_and(is_below));
    over.max_by_key(|item| item.len())
}

fn value_of(entry: Option<&Entry>) -> Option<&Value> {
    entry.map(|entry| &entry.value)
}

fn of_key(key: &str, from: Option<&Value>, to: Option<&Value>) -> Vec<Change> {
    let value = |key: String, from: Option<&Value>, to: Option<&Value>| {
        let [from, to] = match (from, to) {
            (Some(from), Some(to)) => apart(&whole_text(from), &whole_text(to)).map(Some),
            _ => [from, to].map(|value| value.map(text)),
        };
        Change::Value { key, from, to }
    };
    // Two ranges are compared by their ends and steps.
    if let (Some(Value::Object(before)), Some(Value::Object(after))) = (from, to)
        && before.keys().eq(after.keys())
    {
        let differing = before.iter().filter(|(end, value)| after.get(*end) != Some(value));
        return differing.map(|(end, from)| value(format!("{key}.{end}"), Some(from), after.get(end))).collect();
    }
    // Two long lists with the same beginning are shown by their first different entry.
    if let (Some(Value::Array(before)), Some(Value::Array(after))) = (from, to)
        && from.map(text) == to.map(text)
    {
        let at = before.iter().zip(after).take_while(|(one, other)| one == other).count();
        return vec![value(format!("{key}[{at}]"), before.get(at), after.get(at))];
    }
    vec![value(key.to_owned(), from, to)]
}

/// A value as people write it, shortened.
fn text(value: &Value) -> String {
    shortened(&whole_text(value))
}

fn whole_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(range) => match (range.get("min"), range.get("max"), range.get("step")) {
            (Some(min), Some(max), Some(step)) => format!("{min} to {max} in steps of {step}"),
            (Some(min), Some(max), None) => format!("anything from {min} to {max}"),
            _ => value.to_string(),
        },
        value => value.to_string(),
    }
}

/// The longest text of a value, in characters.
const LONGEST: usize = 120;

/// The number of common characters that are shown before the first difference of two texts.
const BEFORE: usize = 20;

/// Two texts, shortened so that they differ. Texts with a long common beginning start shortly before the first
/// difference.
fn apart(one: &str, other: &str) -> [String; 2] {
    let both = [one, other].map(shortened);
    if both[0] != both[1] {
        return both;
    }
    let alike = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let rest =
        |text: &str| ['…'].into_iter().chain(text.chars().skip(alike.saturating_sub(BEFORE))).collect::<String>();
    [one, other].map(|text| shortened(&rest(text)))
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}
