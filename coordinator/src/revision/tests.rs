use super::{changes::changes, *};
use crate::testing::{frozen, frozen_of};
use jobs::{Digest, Sweep};
use std::path::Path;
use store::testing::MemoryBackend;

fn manifest_of(overrides: &[&str]) -> Manifest {
    frozen(overrides).manifest(BTreeMap::new())
}

/// The changes between two manifests, as lines.
fn lines(from: &Manifest, to: &Manifest) -> Vec<String> {
    changes(from, to).iter().map(Change::to_string).collect()
}

/// The changes of the small sweep by these overrides.
fn changes_by(overrides: &[&str]) -> Vec<String> {
    lines(&manifest_of(&[]), &manifest_of(overrides))
}

fn other(manifest: &mut Manifest, input: &str) {
    manifest.digests.insert(input.to_owned(), Digest::of(b"other"));
}

#[test]
fn every_change_of_meaning_is_listed_by_its_key() {
    let cases: [(&[&str], &[&str]); 16] = [
        (&[], &[]),
        (&["parameters.scaling={min: 0.1, max: 1.0, step: 0.1}"], &["`searches.knots_ties.scaling.max`: 0.5 → 1.0"]),
        (
            &["parameters.scaling={min: 0.2, max: 0.5, step: 0.05}"],
            &["`searches.knots_ties.scaling.min`: 0.1 → 0.2", "`searches.knots_ties.scaling.step`: 0.1 → 0.05"],
        ),
        (
            &["parameters.scaling=[0.1, 0.5, 0.6]"],
            &["`searches.knots_ties.scaling`: 0.1 to 0.5 in steps of 0.1 → 0.1, 0.5, 0.6"],
        ),
        (&["parameters.density=[0.1, 0.2]"], &["`searches.knots_ties.density`: 0.1, 0.2, 0.5, 1.0 → 0.1, 0.2"]),
        (
            &["parameters={scaling: [0.1, 0.2, 0.3, 0.4, 0.5]}"],
            &["`searches.knots_ties.density`: 0.1, 0.2, 0.5, 1.0 → not set"],
        ),
        (
            &["parameters={density: [0.1, 0.2, 0.5, 1.0], scaling: [0.1, 0.2, 0.3, 0.4, 0.5]}"],
            &["`searches.knots_ties.parameters`: scaling, density → density, scaling"],
        ),
        (&["recipe.scaling=0.7"], &["`searches.knots_ties.recipe.scaling`: 0.6 → 0.7"]),
        (&["method=grid"], &["`method`: linear → grid"]),
        (
            &["method=random", "trials=7", "seed=3"],
            &["`method`: linear → random", "`seed`: not set → 3", "`trials`: not set → 7"],
        ),
        (&["metric.name=mean_accuracy"], &["`metric.name`: mean_normalised_accuracy → mean_accuracy"]),
        (&["baselines=[]"], &["`baselines.sum`: taken away"]),
        (
            &["baselines=[{name: sum, preset: task_arithmetic, scaling: 0.2}, {name: ties, preset: ties}]"],
            &["`baselines.ties`: added", "`baselines.sum.scaling`: 0.1 → 0.2"],
        ),
        (&["tasks.mnist.finetuned={test: 0.9}"], &["`tasks.mnist.finetuned.test`: not set → 0.9"]),
        // The data of a split that is not used any more are not listed.
        (&["evaluation.report=validation"], &["`evaluation.report`: test → validation"]),
        (&["name=other"], &[]),
    ];
    for (overrides, expected) in cases {
        assert_eq!(changes_by(overrides), expected, "{overrides:?}");
    }
}

#[test]
fn the_location_of_an_input_is_ignored_and_its_content_is_compared() {
    let moved = ["base=/elsewhere/base", "tasks.mnist.data=/elsewhere/mnist", "tasks.mnist.adapter=/elsewhere/adapter"];
    assert_eq!(changes_by(&moved), Vec::<String>::new());
    for (input, word) in [
        ("base", "base model: other content"),
        ("adapters.mnist", "adapter of task `mnist`: other content"),
        ("heads.mnist", "head of task `mnist`: other content"),
        ("data.mnist.test", "data of task `mnist`, split `test`: other content"),
    ] {
        let mut now = manifest_of(&[]);
        other(&mut now, input);
        assert_eq!(lines(&manifest_of(&[]), &now), [word]);
    }
}

#[test]
fn a_key_that_explains_other_content_is_listed_instead_of_it() {
    let mut now = manifest_of(&["tasks.mnist.data={source: data/mnist, label_column: digit}"]);
    other(&mut now, "data.mnist.test");
    other(&mut now, "data.mnist.validation");
    assert_eq!(lines(&manifest_of(&[]), &now), ["`tasks.mnist.data.label_column`: label → digit"]);
    let mut now = manifest_of(&["tasks.mnist.adapter=/other/adapter"]);
    other(&mut now, "adapters.mnist");
    let [line] = &lines(&manifest_of(&[]), &now)[..] else { panic!("one line") };
    assert_eq!(line, "`tasks.mnist.adapter`: /sweeps/adapters/mnist → /other/adapter");
}

#[test]
fn an_input_that_only_one_manifest_has_is_never_skipped() {
    let mut now = manifest_of(&[]);
    now.digests.insert("joint.more".to_owned(), Digest::of(b"more"));
    assert_eq!(lines(&manifest_of(&[]), &now), ["joint head: other content"]);
}

#[test]
fn tasks_and_searches_are_listed_by_name() {
    let one = Sweep::from_yaml(SEARCHES, Path::new("/sweeps"), &[]).unwrap();
    let change = |edit: fn(&mut Sweep)| {
        let mut other = one.clone();
        edit(&mut other);
        lines(&frozen_of(one.clone()).manifest(BTreeMap::new()), &frozen_of(other).manifest(BTreeMap::new()))
    };
    assert_eq!(change(|sweep| drop(sweep.tasks.remove(1))), ["`tasks.flags`: taken away"]);
    assert_eq!(
        change(|sweep| sweep.evaluation.precision = jobs::PrecisionChoice::Bf16),
        ["`evaluation.precision`: f32 → bf16"]
    );
    assert_eq!(change(|sweep| sweep.tasks.swap(0, 1)), ["`tasks`: mnist, flags → flags, mnist"]);
    assert_eq!(change(|sweep| sweep.searches.swap(0, 1)), ["`searches`: ties, knots → knots, ties"]);
    assert_eq!(change(|sweep| drop(sweep.searches.remove(0))), ["`searches.ties`: taken away"]);
    assert_eq!(
        change(|sweep| sweep.searches[1].name = "k".to_owned()),
        ["`searches.knots`: taken away", "`searches.k`: added"]
    );
}

#[test]
fn other_published_figures_are_listed_by_their_keys() {
    const FIGURES: &str = "reference={source: {paper: A paper}, metric: mean_accuracy, tasks: [mnist, flags], \
                           rows: [{method: sum, mean: 60.0}]}";
    let of = |more: &[&str]| manifest_of(&[&[FIGURES], more].concat());
    assert_eq!(lines(&of(&[]), &of(&[])), [""; 0]);
    assert_eq!(lines(&of(&[]), &of(&["reference.rows.0.mean=61.5"])), ["`reference.rows.sum.mean`: 60.0 → 61.5"]);
    let added = "reference.rows=[{method: sum, mean: 60.0}, {method: TIES, mean: 62.0}]";
    assert_eq!(lines(&of(&[]), &of(&[added])), ["`reference.rows.TIES`: added"]);
    assert!(!lines(&manifest_of(&[]), &of(&[])).is_empty());
}

#[test]
fn another_file_key_or_value_of_a_variant_is_a_change_and_another_place_is_none() {
    let of = |of: &str, key: &str, place: u32| {
        let mut manifest = manifest_of(&[]);
        let value = jobs::VariantValue::Number(16.into());
        manifest.sweep.variant = Some(jobs::Variant { of: of.to_owned(), key: key.to_owned(), value, place });
        manifest
    };
    let variant = of("a", "b-c", 0);
    assert_eq!(
        lines(&manifest_of(&[]), &variant),
        ["`variants.key`: not set → b-c", "`variants.of`: not set → a", "`variants.value`: not set → 16",]
    );
    assert_eq!(lines(&variant, &of("a-b", "c", 0)), ["`variants.key`: b-c → c", "`variants.of`: a → a-b"]);
    assert_eq!(lines(&variant, &of("a", "b-c", 1)), [""; 0]);
}

#[test]
fn two_long_lists_are_shown_by_their_first_different_entry() {
    let with = |last: &str| {
        let mut sweep = Sweep::from_yaml(SEARCHES, Path::new("/sweeps"), &[]).unwrap();
        let mut classes: Vec<String> = (0..100).map(|i| format!("class {i}")).collect();
        classes[90] = last.to_owned();
        sweep.tasks[0].head = Some(jobs::HeadSpec::Prompts { classes, templates: vec!["{}".to_owned()] });
        let mut manifest = frozen_of(sweep).manifest(BTreeMap::new());
        manifest.digests.insert("heads.mnist".to_owned(), Digest::of(last.as_bytes()));
        manifest
    };
    assert_eq!(lines(&with("cat"), &with("dog")), ["`tasks.mnist.classes[90]`: cat → dog"]);
}

#[test]
fn two_long_texts_are_shown_by_the_end_in_which_they_differ() {
    let with = |end: &str| {
        let mut sweep = Sweep::from_yaml(SEARCHES, Path::new("/sweeps"), &[]).unwrap();
        sweep.tasks[0].data.as_mut().unwrap().image_column = format!("{}{end}", "x".repeat(200));
        let mut manifest = frozen_of(sweep).manifest(BTreeMap::new());
        manifest.digests.insert("data.mnist.test".to_owned(), Digest::of(end.as_bytes()));
        manifest
    };
    let common = "x".repeat(20);
    let expected = format!("`tasks.mnist.data.image_column`: …{common}one → …{common}two");
    assert_eq!(lines(&with("one"), &with("two")), [expected]);
}

#[test]
fn a_new_task_does_not_hide_what_changed_in_one_whose_name_begins_like_it() {
    let of = |yaml: &str| frozen_of(Sweep::from_yaml(yaml, Path::new("/s"), &[]).unwrap()).manifest(BTreeMap::new());
    let now = SEARCHES.replace("name: mnist", "name: flags.b").replace("name: flags,", "name: flags.c,");
    let with_finetuned = now.replace("data: data/mnist", "finetuned: {test: 0.9}, data: data/mnist");
    let more = with_finetuned.replace("flags.c", "flags");
    let earlier = of(&now);
    assert_eq!(
        lines(&earlier, &of(&more)),
        ["`tasks.flags.c`: taken away", "`tasks.flags`: added", "`tasks.flags.b.finetuned.test`: not set → 0.9"]
    );
}

#[tokio::test]
async fn a_sweep_with_no_task_in_common_is_no_revision_whatever_its_base() {
    let store = Store::new(MemoryBackend::new());
    store_revision(&store, &frozen(&[]), &BTreeMap::new()).await.unwrap();
    let sweep = Sweep::from_yaml(&SEARCHES.replace("mnist", "a").replace("flags", "b"), Path::new("/s"), &[]).unwrap();
    let tasks = Sweep { name: "small".to_owned(), ..sweep };
    let other = |sweep: &Sweep, changed: &[(&str, &[u8])]| {
        let mut manifest = frozen_of(sweep.clone()).manifest(BTreeMap::new());
        manifest.digests.extend(changed.iter().map(|(key, content)| ((*key).to_owned(), Digest::of(content))));
        Frozen::from_manifest(&manifest).unwrap()
    };
    let new: [(&str, &[u8]); 2] = [("adapters.a", b"new a"), ("adapters.b", b"new b")];
    for base in [&b"base"[..], b"another base"] {
        let changed = [&new[..], &[("base", base)]].concat();
        let error = revision_of(&store, &other(&tasks, &changed)).await.unwrap_err();
        assert!(error.to_string().contains("holds another sweep named `small`, with no task in common"), "{error}");
    }
    // A name is enough, and so is an adapter.
    let named = other(&crate::testing::sweep(&[]), &[("base", b"another base"), ("adapters.mnist", b"new")]);
    assert_eq!(revision_of(&store, &named).await.unwrap().number, 2);
    let mut of_mnist = manifest_of(&[]);
    let adapter = of_mnist.digests.remove("adapters.mnist").unwrap();
    let mut renamed = frozen_of(tasks).manifest(BTreeMap::new());
    renamed.digests.insert("adapters.a".to_owned(), adapter);
    assert_eq!(revision_of(&store, &Frozen::from_manifest(&renamed).unwrap()).await.unwrap().number, 2);
}

#[tokio::test]
async fn revisions_follow_each_other_and_the_same_one_is_made_once() {
    let store = Store::new(MemoryBackend::new());
    let keep = async |overrides: &[&str]| store_revision(&store, &frozen(overrides), &BTreeMap::new()).await.unwrap();
    let numbers =
        [keep(&[]).await, keep(&[]).await, keep(&["method=grid"]).await, keep(&["method=grid"]).await, keep(&[]).await];
    let numbers = numbers.map(|revised| (revised.number, revised.is_new, revised.changes.len()));
    assert_eq!(numbers, [(1, true, 0), (1, false, 0), (2, true, 1), (2, false, 1), (3, true, 1)]);
    let second: Manifest = store.revision(Revision::of("small", 2)).await.unwrap().unwrap();
    assert_eq!((second.revision, second.changes[0].to_string().as_str()), (2, "`method`: linear → grid"));
    assert!(second.begun_ms.is_some_and(|begun| begun > 0));
    assert_eq!(Frozen::from_manifest(&second).unwrap().revision(), 2);
}

#[tokio::test]
async fn two_runs_that_make_a_revision_at_once_make_two() {
    for _ in 0..20 {
        let store = Store::new(MemoryBackend::new());
        store_revision(&store, &frozen(&[]), &BTreeMap::new()).await.unwrap();
        let versions = BTreeMap::new();
        let (grid, also_grid, other) =
            (frozen(&["method=grid"]), frozen(&["method=grid"]), frozen(&["recipe.scaling=0.7"]));
        let (one, same, another) = tokio::join!(
            store_revision(&store, &grid, &versions),
            store_revision(&store, &also_grid, &versions),
            store_revision(&store, &other, &versions),
        );
        let [one, same, another] = [one, same, another].map(|revised| revised.unwrap().number);
        assert_eq!(store.newest_revision("small").await.unwrap(), one.max(same).max(another));
        assert_ne!(one, another);
        let manifest: Manifest = store.revision(Revision::of("small", another)).await.unwrap().unwrap();
        assert_eq!(manifest.sweep.searches[0].recipe.scaling, Some(0.7));
    }
}

#[tokio::test]
async fn a_manifest_of_a_program_without_revisions_is_the_first_one() {
    let store = Store::new(MemoryBackend::new());
    let mut old = serde_json::to_value(manifest_of(&[])).unwrap();
    old["version"] = 1.into();
    old.as_object_mut().unwrap().remove("revision");
    assert_eq!(store.put_manifest("small", &old).await.unwrap(), Put::Created);
    let same = revision_of(&store, &frozen(&[])).await.unwrap();
    assert_eq!((same.number, same.is_new), (1, false));
    let changed = store_revision(&store, &frozen(&["method=grid"]), &BTreeMap::new()).await.unwrap();
    assert_eq!((changed.number, changed.follows.unwrap().begun_ms), (2, None));
}

#[tokio::test]
async fn a_manifest_of_a_later_program_is_refused_by_its_version() {
    let store = Store::new(MemoryBackend::new());
    let mut later = serde_json::to_value(manifest_of(&[])).unwrap();
    later["version"] = (Manifest::VERSION + 1).into();
    assert_eq!(store.put_manifest("small", &later).await.unwrap(), Put::Created);
    let error = revision_of(&store, &frozen(&[])).await.unwrap_err();
    let reason = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        reason,
        "the object `sweeps/small/manifest.json` of the store has version 5, and this program reads version 4"
    );
}

#[tokio::test]
async fn a_superseded_run_does_not_take_the_sweep_back_while_the_other_is_active() {
    let store = Store::new(MemoryBackend::new());
    let first = frozen(&[]);
    let versions = BTreeMap::new();
    store_revision(&store, &first, &versions).await.unwrap();
    store_revision(&store, &frozen(&["method=grid"]), &versions).await.unwrap();
    let store_progress = async |revision: u32, updated_ms: u64, ended: Option<&str>| {
        let progress = serde_json::json!({
            "version": 2, "revision": revision, "bound": 1, "run": 0, "reused": 0, "failed": 0, "outstanding": 1,
            "started_ms": 0, "updated_ms": updated_ms, "ended": ended,
        });
        store.put_document("small", Progress::DOCUMENT, &progress).await.unwrap();
    };
    store_progress(2, now_ms(), None).await;
    let error = store_revision(&store, &first, &versions).await.unwrap_err();
    assert!(matches!(error, CoordinatorError::Superseded { revision: 1, newest: 2, .. }), "{error}");
    // A new file is no earlier revision.
    assert!(revision_of(&store, &frozen(&["recipe.scaling=0.7"])).await.unwrap().follows.unwrap().is_active);
    for (revision, updated_ms, ended) in
        [(2, now_ms() - 60_000, None), (2, now_ms(), Some("finished")), (1, now_ms(), None)]
    {
        store_progress(revision, updated_ms, ended).await;
        let back = revision_of(&store, &first).await.unwrap();
        assert_eq!((back.number, back.follows.unwrap().is_active), (3, false), "{ended:?}");
    }
    assert_eq!(store_revision(&store, &first, &versions).await.unwrap().number, 3);
}

const SEARCHES: &str = r#"
name: two
base: base
tasks:
  - {name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}
  - {name: flags, adapter: adapters/flags, data: data/flags, head: heads/flags.safetensors}
evaluation: {}
searches:
  - {name: ties, recipe: {preset: ties}, parameters: {scaling: [0.1, 0.2]}}
  - {name: knots, recipe: {preset: knots_ties}, parameters: {scaling: [0.1, 0.2]}}
"#;
