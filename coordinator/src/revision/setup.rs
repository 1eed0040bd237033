use super::keys::Keys;
use jobs::{Digest, EVALUATION_SEMANTICS, HeadSpec, Manifest, Task, evaluation_semantics};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Everything that decides the numbers of a variant apart from its adapters.
#[derive(Serialize)]
struct Setup<'a> {
    evaluation: u32,
    /// The keys that are about no input, without those of the variant.
    values: BTreeMap<&'a str, &'a Value>,
    lists: &'a BTreeMap<String, Vec<String>>,
    /// The inputs that are no adapter.
    digests: BTreeMap<&'a str, &'a Digest>,
}

/// The digest by which the variants of a sweep file are comparable.
pub(crate) fn setup(manifest: &Manifest) -> Digest {
    let keys = Keys::of(&manifest.sweep);
    let tasks = &manifest.sweep.tasks;
    // How an adapter is trained differs with it.
    let is_training =
        |key: &str| tasks.iter().any(|task| key.starts_with(&format!("tasks.{}.adapter.train", task.name)));
    let is_of_setup = |key: &str| !key.starts_with("variants.") && !is_training(key);
    let values = keys.values.iter().filter(|(key, entry)| entry.inputs.is_empty() && is_of_setup(key));
    // A head that lies in the adapter differs with it.
    let is_own_head = |input: &str| {
        let task = input.strip_prefix("heads.").and_then(|name| tasks.iter().find(|task| task.name == name));
        task.is_some_and(|task| matches!(task.head, Some(HeadSpec::Adapter(_))))
    };
    // A split that is only trained on is one of the adapter.
    let splits = manifest.sweep.data_splits();
    let is_trained_on = |input: &str| {
        let is_of = |task: &Task| {
            input.strip_prefix(&format!("data.{}.", task.name)).is_some_and(|split| !splits.contains(&split))
        };
        tasks.iter().any(|task| task.adapter.training().is_some() && is_of(task))
    };
    let is_shared = |input: &str| !input.starts_with("adapters.") && !is_own_head(input) && !is_trained_on(input);
    let shared = manifest.digests.iter().filter(|(input, _)| is_shared(input));
    Digest::of_json(&Setup {
        // A manifest states its precision.
        evaluation: manifest.sweep.evaluation.precision.stated().map_or(EVALUATION_SEMANTICS, evaluation_semantics),
        values: values.map(|(key, entry)| (key.as_str(), &entry.value)).collect(),
        lists: &keys.lists,
        digests: shared.map(|(input, digest)| (input.as_str(), digest)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::frozen;
    use jobs::{Variant, VariantValue};

    fn manifest(overrides: &[&str]) -> Manifest {
        frozen(overrides).manifest(BTreeMap::new())
    }

    #[test]
    fn the_setup_is_everything_but_name_variant_and_adapters() {
        let own = setup(&manifest(&[]));
        assert_eq!(setup(&manifest(&["name=other", "base=/elsewhere/base"])), own);
        for key in ["recipe.scaling=0.7", "method=grid", "parameters.density=[0.1, 0.2]", "baselines=[]"] {
            assert_ne!(setup(&manifest(&[key])), own, "{key}");
        }
        let with = |input: &str| {
            let mut manifest = manifest(&[]);
            assert!(manifest.digests.insert(input.to_owned(), Digest::of(b"other")).is_some(), "{input}");
            setup(&manifest)
        };
        assert_eq!(with("adapters.mnist"), own);
        for input in ["base", "data.mnist.test", "heads.mnist"] {
            assert_ne!(with(input), own, "{input}");
        }
        let mut variant = manifest(&[]);
        let value = VariantValue::Number(4.into());
        variant.sweep.variant = Some(Variant { of: "small".to_owned(), key: "rank".to_owned(), value, place: 0 });
        assert_eq!(setup(&variant), own);
    }
    #[test]
    fn variants_that_are_trained_in_different_ways_are_comparable() {
        let trained = |train: &str| setup(&manifest(&[&format!("tasks.flags.adapter={{train: {{{train}}}}}")]));
        let given = setup(&manifest(&[]));
        assert_eq!(trained("steps: 20, rank: 4"), trained("steps: 30, rank: 16"));
        assert_eq!(trained("steps: 20, rank: 4"), given);
        let other = manifest(&["tasks.flags.adapter={train: {steps: 20}}", "recipe.scaling=0.7"]);
        assert_ne!(setup(&other), given);
    }
}
