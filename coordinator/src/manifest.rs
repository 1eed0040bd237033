use crate::{CoordinatorError, Frozen};
use jobs::{Benchmark, DOCUMENT_VERSION, Manifest};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{Put, Store};

/// Stores what the sweep was when it began, or makes sure that it still is what is stored.
pub(crate) async fn keep_manifest(
    store: &Store,
    frozen: &Frozen,
    versions: &BTreeMap<String, String>,
) -> Result<(), CoordinatorError> {
    match store.put_manifest(&frozen.sweep().name, &frozen.manifest(versions.clone())).await? {
        Put::Created => Ok(()),
        Put::Exists => check_manifest(store, frozen).await,
    }
}

/// Makes sure that the sweep is what the store holds under its name, or that there is nothing. Writes nothing.
pub(crate) async fn check_manifest(store: &Store, frozen: &Frozen) -> Result<(), CoordinatorError> {
    let name = &frozen.sweep().name;
    let Some(stored) = store.manifest::<Manifest>(name).await? else { return Ok(()) };
    // Versions mean nothing: see below.
    let differences = differences(&stored, &frozen.manifest(BTreeMap::new()));
    if differences.is_empty() {
        return Ok(());
    }
    let list = differences.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    Err(CoordinatorError::OtherSweep {
        place: store.place(),
        sweep: name.clone(),
        differences: format!("{list} differ{}", if differences.len() == 1 { "s" } else { "" }),
    })
}

/// The keys in which two manifests mean different sweeps.
///
/// Where inputs lie means nothing, since their digests are compared; nor do the versions of programs: a sweep may be
/// finished by a newer one.
fn differences(one: &Manifest, other: &Manifest) -> Vec<String> {
    let (one, other) = (meaning(one), meaning(other));
    let mut keys: Vec<String> =
        one.keys().chain(other.keys()).filter(|key| one.get(*key) != other.get(*key)).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn meaning(manifest: &Manifest) -> BTreeMap<String, Value> {
    let Manifest { version, sweep, digests, .. } = manifest;
    let mut parts = BTreeMap::from([
        ("method".to_owned(), json!(sweep.method)),
        ("metric".to_owned(), json!(sweep.objective)),
        ("searches".to_owned(), json!(sweep.searches)),
        ("baselines".to_owned(), json!(sweep.baselines)),
        ("evaluation.benchmark".to_owned(), json!(sweep.evaluation.benchmark == Benchmark::PerTask)),
        ("evaluation.select".to_owned(), json!(sweep.evaluation.select)),
        ("evaluation.report".to_owned(), json!(sweep.evaluation.report)),
        ("evaluation.precision".to_owned(), json!(sweep.evaluation.precision)),
        // The order of merging is part of it.
        ("tasks".to_owned(), json!(sweep.tasks.iter().map(|task| &task.name).collect::<Vec<_>>())),
    ]);
    for task in &sweep.tasks {
        parts.insert(format!("tasks.{}.finetuned", task.name), json!(task.finetuned));
    }
    parts.extend(digests.iter().map(|(key, digest)| (key.clone(), json!(digest))));
    if *version != DOCUMENT_VERSION {
        parts.insert("version".to_owned(), json!(version));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frozen;
    use jobs::Precision;

    #[test]
    fn a_sweep_in_another_number_format_is_another_sweep() {
        let one = frozen(&[]).manifest(BTreeMap::new());
        let mut other = one.clone();
        assert!(differences(&one, &other).is_empty());
        other.sweep.evaluation.precision = Precision::Bf16;
        assert_eq!(differences(&one, &other), ["evaluation.precision"]);
    }
}
