use crate::{Sweep, SweepError, TrainFamily, VariantValue, Warmup};
use std::path::Path;

const RANKS: &str = r#"
name: ranks
base: base
tasks:
  - {name: mnist, data: data/mnist, head: heads/mnist.safetensors}
  - {name: flags, data: data/flags, head: heads/flags.safetensors}
evaluation: {benchmark: per_task}
recipe: {preset: ties, density: 0.2}
parameters:
  scaling: {min: 0.1, max: 1.0, step: 0.1}
variants:
  key: rank
  adapter: "r{value}/{task}"
  values: [4, {value: 16, adapters: {mnist: adapters/mnist, flags: hf://owner/flags@v1}}]
"#;

fn all(overrides: &[&str]) -> Result<Vec<Sweep>, SweepError> {
    let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
    Sweep::all_from_yaml(RANKS, Path::new("/sweeps"), &overrides)
}

fn message(overrides: &[&str]) -> String {
    crate::error_chain(&all(overrides).unwrap_err())
}

#[test]
fn each_variant_is_a_sweep_that_differs_in_its_adapters_alone() {
    let sweeps = all(&[]).unwrap();
    let [small, large] = sweeps.as_slice() else { panic!("two") };
    assert_eq!((small.name.as_str(), large.name.as_str()), ("ranks-rank-4", "ranks-rank-16"));
    assert_eq!((small.name_in_file(), large.name_in_file()), ("ranks", "ranks"));
    let adapters = |sweep: &Sweep| sweep.tasks.iter().map(|task| task.adapter.to_string()).collect::<Vec<_>>();
    assert_eq!(adapters(small), ["/sweeps/r4/mnist", "/sweeps/r4/flags"]);
    assert_eq!(adapters(large), ["/sweeps/adapters/mnist", "hf://owner/flags@v1"]);
    let mut same = large.clone();
    same.name.clone_from(&small.name);
    same.variant.clone_from(&small.variant);
    for (task, other) in same.tasks.iter_mut().zip(&small.tasks) {
        task.adapter = other.adapter.clone();
    }
    assert_eq!(same, *small);
    assert_eq!(large.adapter_key("flags"), "variants.values[1].adapters.flags");
    assert_eq!(large.variant.as_ref().map(|variant| variant.place), Some(1));
}

#[test]
fn values_are_numbers_or_words_and_a_value_may_have_a_pattern_of_its_own() {
    let sweeps = all(&[r#"variants.values=[lora, {value: dora, adapter: "{value}-{task}"}]"#]).unwrap();
    let values: Vec<_> =
        sweeps.iter().filter_map(|sweep| sweep.variant.as_ref()).map(|variant| &variant.value).collect();
    assert_eq!(values, [&VariantValue::Word("lora".to_owned()), &VariantValue::Word("dora".to_owned())]);
    assert_eq!(sweeps[0].tasks[1].adapter.to_string(), "/sweeps/rlora/flags");
    assert_eq!(sweeps[1].tasks[1].adapter.to_string(), "/sweeps/dora-flags");
    assert_eq!(sweeps[1].name, "ranks-rank-dora");
    let whole = all(&["variants.values=[4.0, 1e2, 0.5]"]).unwrap();
    let names: Vec<_> = whole.iter().map(|sweep| sweep.name.as_str()).collect();
    assert_eq!(names, ["ranks-rank-4", "ranks-rank-100", "ranks-rank-0.5"]);
}

#[test]
fn a_variant_reads_back_from_its_manifest_form() {
    for sweep in all(&[]).unwrap() {
        let json = serde_json::to_string(&sweep).unwrap();
        assert_eq!(serde_json::from_str::<Sweep>(&json).unwrap(), sweep);
    }
}

#[test]
fn a_file_with_variants_is_not_read_as_one_sweep() {
    let error = Sweep::from_yaml(RANKS, Path::new("/sweeps"), &[]).unwrap_err().to_string();
    assert!(error.contains("`variants` makes several sweeps"), "{error}");
}

#[test]
fn wrong_variants_are_named_by_their_keys() {
    for (overrides, expected) in [
        (["variants.values=[4]"].as_slice(), "`variants.values` needs at least two values"),
        (&["variants.values=[4, 16, 4.0]"], "`variants.values[2].value` is `4` a second time"),
        (&[r#"variants.values=[4, "4"]"#], "`variants.values[1].value` is `4` a second time"),
        (
            &["variants.values=[4, true]"],
            "`variants.values[1]` is `true`; expected a text or a number or a map of keys",
        ),
        (&[r#"variants.values=[4, "a/b"]"#], "`variants.values[1].value` is `a/b`"),
        (&["variants.values.1.adapters={mnist: a}"], "`variants.values[1].adapters` has no adapter of `flags`"),
        (
            &["variants.values.1.adapters={mnist: a, flags: b, flogs: c}"],
            "`variants.values[1].adapters.flogs` is about a task that is not listed; is `flags` meant?",
        ),
        (&["variants.values.1.adapter=x/{task}"], "`variants.values[1].adapter` stands beside `adapters`"),
        (&["variants.adapter=null"], "`variants.values[0]` has no adapters"),
        (&["variants.adapter=r{value}"], "`variants.adapter` has no `{task}`"),
        (&["variants.adapter=r{rank}/{task}"], "`variants.adapter` is `r{rank}/{task}`; braces are for"),
        (
            &["variants.adapter=adapters/{task}", "variants.values=[4, 8]"],
            "`variants.values[1]` has the same adapters as the value `4`",
        ),
        (
            &["variants.values.1.adapters.mnist=hf://owner"],
            "`variants.values[1].adapters.mnist` does not name an input",
        ),
        (&["variants.key=a b"], "`variants.key` is `a b`"),
        (&["variants.keys=rank"], "unknown key `variants.keys`"),
        (&["variants.values.1.adaptors={}"], "unknown key `variants.values[1].adaptors`"),
        (&["tasks.mnist.adapter=a"], "`tasks[0].adapter` stands beside `variants`"),
        (&["tasks.flags.finetuned={test: 0.5}"], "`tasks[1].finetuned` stands beside `variants`"),
        (&["reference={}"], "`reference` stands beside `variants`"),
        (&["variants=null"], "`tasks[0]` needs an `adapter`"),
    ] {
        let message = message(overrides);
        assert!(message.contains(expected), "{overrides:?}: {message}");
    }
}

#[test]
fn what_is_wrong_beside_the_variants_is_named_as_in_a_sweep_without() {
    assert!(message(&["tasks.mnist.head=null"]).contains("`tasks[0]` needs a `head`"));
    assert!(message(&["name=a/b"]).contains("`name` is `a/b`"));
}

const TRAINED: [&str; 3] = [
    "training={rank: 8, steps: 20, warmup: 0.1}",
    "variants.adapter=null",
    "variants.values=[{value: 4, training: {rank: 4, warmup_steps: 3}}, {value: 16, training: {rank: 16}}]",
];

#[test]
fn a_variant_trains_its_adapters_with_its_own_settings_over_the_shared_ones() {
    let sweeps = all(&TRAINED).unwrap();
    let settings = |sweep: &Sweep, task: usize| {
        let sweep = sweep.clone().with_train_family(TrainFamily::Images);
        sweep.tasks[task].adapter.training().unwrap().settings().unwrap().unwrap()
    };
    assert_eq!([0, 1].map(|n| settings(&sweeps[n], 0).rank), [4, 16]);
    assert_eq!([0, 1].map(|n| settings(&sweeps[n], 1).warmup), [Warmup::Steps(3), Warmup::Share(0.1)]);
    assert!(sweeps.iter().all(|sweep| sweep.train_jobs() == 2));
    // What a task has of its own stays in every variant.
    let own = all(&[&TRAINED[..], &["tasks.flags.adapter={train: {seed: 5}}"]].concat()).unwrap();
    assert_eq!([0, 1].map(|n| settings(&own[n], 1).seed), [5, 5]);
    assert_eq!([0, 1].map(|n| settings(&own[n], 1).rank), [4, 16]);
    assert_eq!(settings(&own[1], 0).seed, 0);
    // Adapters that are there may stand beside those that are trained.
    let mixed = all(&[TRAINED[0], "variants.values=[{value: 4, training: {}}, 16]"]).unwrap();
    assert_eq!(settings(&mixed[0], 0).rank, 8);
    assert_eq!(mixed[1].tasks[0].adapter.to_string(), "/sweeps/r16/mnist");
    for sweep in sweeps.iter().chain(&mixed) {
        let json = serde_json::to_string(sweep).unwrap();
        assert_eq!(serde_json::from_str::<Sweep>(&json).unwrap(), *sweep);
    }
}

#[test]
fn trained_variants_that_are_wrong_are_named_by_their_keys() {
    for (overrides, expected) in [
        (["variants.values.0.training={ranck: 4}"].as_slice(), "unknown key `variants.values[0].training.ranck`"),
        (&["variants.values.0.training={rank: 0}"], "`variants.values[0].training.rank` is 0, expected at least 1"),
        (&["variants.values.0.adapter=a/{task}"], "`variants.values[0].training` stands beside adapters"),
        (&["variants.values.0.training={rank: 16}"], "`variants.values[1]` has the same adapters as the value `4`"),
        (
            &["training.rank=16", "variants.values.0.training={}", "variants.values.1.training={rank: 16}"],
            "`variants.values[1]` has the same adapters as the value `4`",
        ),
        (
            &["tasks.mnist.adapter={train: {rank: 2}}"],
            "`tasks[0].adapter.train.rank` stands beside `variants.values[0].training.rank`; use one",
        ),
        (
            &["tasks.mnist.adapter={train: {warmup: 0.2}}"],
            "`tasks[0].adapter.train.warmup` stands beside `variants.values[0].training.warmup_steps`; use one",
        ),
        (&["tasks.mnist.adapter=a"], "`tasks[0].adapter` stands beside `variants`"),
        (
            &["tasks.mnist.adapter={train: {}}", "variants.values.1={value: 16, adapter: \"a/{task}\"}"],
            "`tasks[0].adapter` stands beside `variants`",
        ),
        (&["training={}"], "has neither `steps` nor `epochs`"),
    ] {
        let message = message(&[&TRAINED[..], overrides].concat());
        assert!(message.contains(expected), "{overrides:?}: {message}");
    }
}
