//! Documents of a sweep as programs wrote them before their layouts were parted from working types.

use crate::{
    Change, Digest, Manifest, Method, Outcome, Progress, Replicates, RowKind, RowReplicates, SeedRun, SubsetJob,
    Subsets, Sweep, UnknownVersion,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const MANIFEST: &str = include_str!("../../../testdata/documents/manifest.json");
const REVISION: &str = include_str!("../../../testdata/documents/revision-2.json");
const OUTCOME: &str = include_str!("../../../testdata/documents/outcome.json");
const PROGRESS: &str = include_str!("../../../testdata/documents/progress.json");

/// The document, which must be written again as it was, to the byte.
fn unchanged<T: Serialize + DeserializeOwned>(text: &str) -> T {
    let document: T = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string_pretty(&document).unwrap(), text.trim_end());
    document
}

#[test]
fn a_manifest_of_an_earlier_program_is_read_and_written_as_it_was() {
    let manifest: Manifest = unchanged(MANIFEST);
    assert_eq!((manifest.revision, manifest.sweep.tasks.len(), manifest.changes.len()), (1, 2, 0));
    let revision: Manifest = unchanged(REVISION);
    assert_eq!(revision.revision, 2);
    assert!(matches!(&revision.changes[..], [Change::Value { key, .. }] if key.starts_with("searches.knots_ties")));
    assert_eq!(revision.digests, manifest.digests);
}

#[test]
fn a_sweep_with_subsets_or_replicates_is_of_a_version_that_earlier_programs_refuse() {
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
    manifest.sweep.subsets = Some(Subsets { sizes: vec![2], samples: 28, seed: 1 });
    let written = serde_json::to_value(&manifest).unwrap();
    assert_eq!(written["version"], 4);
    assert_eq!(serde_json::from_value::<Manifest>(written).unwrap(), manifest);
    manifest.sweep.subsets = None;
    manifest.sweep.searches[0].replicates = Some(Replicates { key: "seed".to_owned(), count: 5 });
    let written = serde_json::to_value(&manifest).unwrap();
    assert_eq!((&written["version"], &written["sweep"]["searches"][0]["replicates"]["seed"]), (&4.into(), &5.into()));
    assert_eq!(serde_json::from_value::<Manifest>(written).unwrap(), manifest);
    manifest.sweep.searches[0].replicates = None;
    assert_eq!(serde_json::to_value(&manifest).unwrap()["version"], 2);
    manifest.sweep.searches[0].trials = Some(5);
    assert_eq!(serde_json::to_value(&manifest).unwrap()["version"], 4);
    let mut outcome: Outcome = serde_json::from_str(OUTCOME).unwrap();
    let job = Digest::of(b"a job").into();
    let runs = vec![SeedRun { seed: 3, jobs: [("test".to_owned(), job)].into() }];
    outcome.rows[1].replicates = Some(RowReplicates { key: "seed".to_owned(), runs });
    let tasks = vec!["mnist".to_owned()];
    outcome.rows[0].subsets = vec![SubsetJob { tasks: tasks.clone(), job: Some(job) }, SubsetJob { tasks, job: None }];
    let written = serde_json::to_value(&outcome).unwrap();
    assert_eq!(written["version"], 4);
    assert_eq!(serde_json::from_value::<Outcome>(written).unwrap(), outcome);
}

#[test]
fn a_sweep_that_trains_is_of_a_version_that_earlier_programs_refuse() {
    let text = "name: t\nbase: b\ntraining: {steps: 3}\ntasks: [{name: a, adapter: {train: {}}, data: d, head: h}]\n\
                evaluation: {}\nrecipe: {preset: ties}\nparameters: {scaling: [1.0]}\n";
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
    manifest.sweep = Sweep::from_yaml(text, std::path::Path::new("/sweeps"), &[]).unwrap();
    let mut written = serde_json::to_value(&manifest).unwrap();
    assert_eq!(written["version"], 4);
    assert_eq!(serde_json::from_value::<Manifest>(written.clone()).unwrap(), manifest);
    written["sweep"]["tasks"][0]["adapter"]["train"]["colour"] = "red".into();
    assert!(serde_json::from_value::<Manifest>(written).is_err());
    let mut outcome: Outcome = serde_json::from_str(OUTCOME).unwrap();
    outcome.trained = [("mnist".to_owned(), Digest::of(b"a job").into())].into();
    let written = serde_json::to_value(&outcome).unwrap();
    assert_eq!(written["version"], 4);
    assert_eq!(serde_json::from_value::<Outcome>(written).unwrap(), outcome);
}

#[test]
fn a_sweep_with_a_newer_method_is_of_a_version_that_earlier_programs_refuse() {
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
    for method in
        [Method::Bracket, Method::Portfolio, Method::Tpe { trials: 3, seed: 0 }, Method::CmaEs { trials: 3, seed: 0 }]
    {
        manifest.sweep.method = method;
        let written = serde_json::to_value(&manifest).unwrap();
        assert_eq!(written["version"], 4, "{method:?}");
        assert_eq!(serde_json::from_value::<Manifest>(written).unwrap(), manifest);
    }
    for method in [Method::Linear, Method::Grid, Method::Random { trials: 3, seed: 0 }] {
        manifest.sweep.method = method;
        assert_eq!(serde_json::to_value(&manifest).unwrap()["version"], 2, "{method:?}");
    }
}

#[test]
fn an_outcome_of_an_earlier_program_is_read_and_written_as_it_was() {
    let outcome: Outcome = unchanged(OUTCOME);
    assert_eq!((outcome.revision, outcome.given_denominators["validation"]["mnist"]), (2, 0.9));
    let kinds: Vec<&RowKind> = outcome.rows.iter().map(|row| &row.kind).collect();
    let [RowKind::ZeroShot, RowKind::Finetuned, RowKind::Baseline { .. }, RowKind::Search { points, .. }] = kinds[..]
    else {
        panic!("{kinds:?}");
    };
    assert_eq!(points.len(), 3);
}

#[test]
fn a_learned_row_is_read_as_it_was_written_and_needs_a_newer_version() {
    let mut outcome: Outcome = serde_json::from_str(OUTCOME).unwrap();
    let RowKind::Baseline { spec, recipe } = outcome.rows[2].kind.clone() else { panic!("a baseline") };
    outcome.rows[2].kind = RowKind::Learned { spec, recipe };
    let written = serde_json::to_value(&outcome).unwrap();
    assert!(written["version"].as_u64() > Some(2), "{}", written["version"]);
    assert_eq!(serde_json::from_value::<Outcome>(written).unwrap(), outcome);
}

#[test]
fn a_progress_of_an_earlier_program_is_read_and_written_as_it_was() {
    let progress: Progress = unchanged(PROGRESS);
    assert_eq!((progress.revision, progress.ended.as_deref()), (2, Some("finished")));
}

#[test]
fn fields_that_are_rarely_set_are_read_and_written_as_they_were() {
    let mut outcome: Value = serde_json::from_str(OUTCOME).unwrap();
    outcome["rows"][3]["kind"]["search"]["left_out"] = serde_json::json!({"points": 7, "failed": 2});
    outcome["missing"] = 3.into();
    outcome["ended_early"] = true.into();
    let read: Outcome = serde_json::from_value(outcome.clone()).unwrap();
    assert_eq!((read.missing, read.ended_early), (3, true));
    assert_eq!(serde_json::to_value(&read).unwrap(), outcome);

    let mut progress: Value = serde_json::from_str(PROGRESS).unwrap();
    let job = &outcome["rows"][0]["jobs"]["validation"][0];
    progress["pool"] = "a40".into();
    progress["failures"] = serde_json::json!([{"errors": ["no", "why"], "jobs": 2, "example": job}]);
    let read: Progress = serde_json::from_value(progress.clone()).unwrap();
    assert_eq!((read.pool.as_deref(), read.failures[0].jobs), (Some("a40"), 2));
    assert_eq!(serde_json::to_value(&read).unwrap(), progress);

    let mut manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    manifest["commits"] = serde_json::json!({"hf://owner/base": "0123abcd"});
    let read: Manifest = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest);
}

/// `text` as version 1 has it: without a revision.
fn version_1<T: DeserializeOwned>(text: &str) -> T {
    let mut document: Value = serde_json::from_str(text).unwrap();
    document["version"] = 1.into();
    document.as_object_mut().unwrap().remove("revision");
    serde_json::from_value(document).unwrap()
}

#[test]
fn documents_of_version_1_belong_to_the_first_revision() {
    assert_eq!(version_1::<Manifest>(REVISION).revision, 1);
    assert_eq!(version_1::<Outcome>(OUTCOME).revision, 1);
    assert_eq!(version_1::<Progress>(PROGRESS).revision, 1);
}

#[test]
fn a_manifest_of_a_later_version_is_refused_by_its_version_whatever_else_it_holds() {
    let later = MANIFEST.replacen("\"version\": 2", "\"version\": 5, \"colour\": \"red\"", 1);
    let error = serde_json::from_str::<Manifest>(&later).unwrap_err();
    assert_eq!(UnknownVersion::in_error(&error), Some(UnknownVersion { found: 5, oldest: 1, newest: 4 }));
    let unknown = MANIFEST.replacen("\"version\": 2", "\"version\": 2, \"colour\": \"red\"", 1);
    let error = serde_json::from_str::<Manifest>(&unknown).unwrap_err().to_string();
    assert!(error.contains("unknown field `colour`"), "{error}");
}

#[test]
fn the_parts_of_an_outcome_refuse_unknown_fields() {
    let document: Value = serde_json::from_str(OUTCOME).unwrap();
    for pointer in ["/rows/0", "/rows/2/kind/baseline", "/rows/3/kind/search", "/rows/3/kind/search/points/0"] {
        let mut changed = document.clone();
        changed.pointer_mut(pointer).unwrap()["colour"] = "red".into();
        let error = serde_json::from_value::<Outcome>(changed).unwrap_err().to_string();
        assert!(error.contains("unknown field `colour`"), "{pointer}: {error}");
    }
}

/// The version of a document with this value in place of another, which is read as what it holds.
fn version_with<T: Serialize + DeserializeOwned>(text: &str, pointer: &str, value: Value) -> u64 {
    let mut document: Value = serde_json::from_str(text).unwrap();
    *document.pointer_mut(pointer).unwrap() = value;
    let read: T = serde_json::from_value(document.clone()).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    serde_json::from_value::<T>(written.clone()).unwrap();
    written["version"].as_u64().unwrap()
}

#[test]
fn documents_of_sweeps_that_older_programs_cannot_read_are_of_a_later_version() {
    let old = serde_json::json!({"preset": "core_ties", "density": 0.3});
    let new = serde_json::json!({"preset": "core_ties", "output_rank": 4});
    for (recipe, version) in [(old, 2), (new, 3)] {
        let manifest = version_with::<Manifest>(MANIFEST, "/sweep/searches/0/recipe", recipe.clone());
        let outcome = version_with::<Outcome>(OUTCOME, "/rows/3/kind/search/points/0/spec", recipe.clone());
        let progress = version_with::<Progress>(PROGRESS, "/best/spec", recipe);
        assert_eq!((manifest, outcome, progress), (version, version, version));
    }
    let parameters = serde_json::json!([{"key": "flatten", "values": {"list": [0.0, 0.5]}}]);
    assert_eq!(version_with::<Manifest>(MANIFEST, "/sweep/searches/0/parameters", parameters), 3);
}

#[test]
fn documents_of_sweeps_with_published_figures_are_of_version_4() {
    let figures = serde_json::json!({
        "source": {"paper": "A paper", "table": "Table 1"}, "metric": "mean_normalised_accuracy", "tasks": ["mnist", "flags"],
        "rows": [{"method": "KnOTS-TIES", "mean": 68.0, "tasks": {"mnist": 70.5}, "hits": {"1": 40.0}}],
    });
    let reference = serde_json::json!({"figures": figures, "methods": {"knots_ties": "KnOTS-TIES"}});
    let mut manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    manifest["sweep"]["reference"] = reference.clone();
    manifest["version"] = 4.into();
    let read: Manifest = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest);
    let mut outcome: Value = serde_json::from_str(OUTCOME).unwrap();
    outcome["reference"] = reference;
    outcome["version"] = 4.into();
    let read: Outcome = serde_json::from_value(outcome.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), outcome);
    assert_eq!(read.reference.unwrap().row("knots_ties").unwrap().hits.get(&1), Some(&40.0));
}

#[test]
fn documents_of_variants_are_of_version_4() {
    let variant = serde_json::json!({"of": "ranks", "key": "rank", "value": 16, "place": 1});
    let mut manifest: Value = serde_json::from_str(MANIFEST).unwrap();
    manifest["sweep"]["variant"] = variant.clone();
    manifest["version"] = 4.into();
    let read: Manifest = serde_json::from_value(manifest.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), manifest);
    let mut outcome: Value = serde_json::from_str(OUTCOME).unwrap();
    outcome["variant"] = variant;
    outcome["setup"] = crate::Digest::of(b"setup").to_string().into();
    outcome["version"] = 4.into();
    let read: Outcome = serde_json::from_value(outcome.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), outcome);
    outcome["variant"]["colour"] = "red".into();
    assert!(serde_json::from_value::<Outcome>(outcome).unwrap_err().to_string().contains("unknown field `colour`"));
}
