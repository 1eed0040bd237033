//! A sweep that changes, and one that goes.

use crate::bowline::{Place, mini8};
use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

const WIDER: [&str; 2] = ["-o", "parameters.scaling.values=[0.4, 0.6, 0.8]"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [args, more].concat()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn the_advice_to_widen_a_range_can_be_followed() {
    let place = Place::new();
    let first = place.run(&["run", "sweep.yaml"]);
    assert!(!first.succeeds().stderr.contains("revision"), "{first:?}");
    assert!(first.stdout.contains("a wider range may hold a better one"), "{first:?}");

    let expected = "`searches.knots_ties.scaling`: 0.4, 0.6 → 0.4 to 0.8 in steps of 0.2";
    let plan = place.run(&with(&["plan", "sweep.yaml"], &WIDER)).succeeds().stdout.clone();
    assert!(plan.contains("revision 2 of the sweep, 1 change to revision 1") && plan.contains(expected), "{plan}");
    let plan = place.run(&with(&["plan", "sweep.yaml", "--json"], &WIDER)).succeeds().json();
    let change = serde_json::json!({
        "kind": "value", "key": "searches.knots_ties.scaling", "from": "0.4, 0.6", "to": "0.4 to 0.8 in steps of 0.2",
    });
    assert_eq!((&plan["revision"], &plan["changes"]), (&2.into(), &serde_json::json!([change])));
    assert!(!place.path("bowline-results/sweeps/small/revisions").exists(), "a plan makes nothing");

    let ran = place.run(&with(&["run", "sweep.yaml", "--json"], &WIDER));
    assert!(ran.succeeds().stderr.contains(expected) && ran.stderr.contains("small (revision 2): 2 tasks"), "{ran:?}");
    let document = ran.json();
    assert_eq!((&document["version"], &document["revision"]), (&2.into(), &2.into()));
    assert_eq!(document["counts"], serde_json::json!({"run": 1, "reused": 5, "failed": 0}));
    let again = place.run(&with(&["run", "sweep.yaml", "--json"], &WIDER));
    assert!(!again.succeeds().stderr.contains(expected), "{again:?}");
    assert_eq!(again.json()["counts"], serde_json::json!({"run": 0, "reused": 6, "failed": 0}));

    assert!(place.run(&["watch", "--once"]).succeeds().stdout.starts_with("small (revision 2): finished"));
    assert_eq!(place.run(&["watch", "--once", "--json"]).json()["revision"], 2);
    assert!(place.run(&["status"]).succeeds().stdout.starts_with("small (revision 2): finished, 6 of"));
    assert!(place.run(&["analyze"]).succeeds().stdout.starts_with("small (revision 2)\n"));
    let report = fs::read_to_string(place.path("bowline-results/sweeps/small/report.html")).unwrap();
    assert!(report.contains("reported on validation · revision 2"));
}

#[test]
fn what_was_chosen_lies_alone_in_its_folder_and_is_of_the_inputs_as_they_are() {
    let place = Place::new();
    let adapter = place.path("adapter");
    let other = mini8().join("adapters/optdigits");
    copy(&mini8().join("adapters/mnist"), &adapter);
    let mine = format!("tasks.mnist.adapter={}", adapter.display());
    let run = |more: &[&str]| place.run(&with(&["run", "sweep.yaml", "-o", &mine, "--json"], more));
    let one_point = ["-o", "parameters.scaling.values=[0.4]"];
    run(&one_point).succeeds();
    let best = place.path("bowline-results/sweeps/small/best");
    let merged = || fs::read(best.join("adapter_model.safetensors")).unwrap();
    let before = merged();

    // The same recipe of another adapter is another merge.
    fs::copy(other.join("adapter_model.safetensors"), adapter.join("adapter_model.safetensors")).unwrap();
    let mended = run(&one_point);
    assert!(mended.succeeds().stderr.contains("  adapter of task `mnist`: other content\n"), "{mended:?}");
    assert_eq!(mended.json()["counts"], serde_json::json!({"run": 2, "reused": 2, "failed": 0}));
    assert!(merged() != before, "the old merge stayed");

    // One that is no adapter leaves none.
    run(&["-o", "recipe={preset: ties}", "-o", "parameters.scaling.values=[0.4]"]).succeeds();
    let mut names: Vec<_> = fs::read_dir(&best).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["merge.json", "recipe.json"]);
}

#[test]
fn a_sweep_that_has_nothing_in_common_is_refused_and_may_take_the_place_of_one_that_was_removed() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    let texts = mini8().join("../nli6/knots-ties.yaml");
    let other = |command| [command, texts.to_str().unwrap(), "-o", "name=small"];
    for command in ["plan", "run"] {
        let refused = place.run(&other(command));
        refused.fails(65, &["another sweep named `small`, with no task in common", "bowline sweeps remove"]);
        assert!(!refused.stderr.contains("jobs are done"), "its jobs are not counted: {}", refused.stderr);
    }
    let results = place.results();
    place.run(&["sweeps", "remove", "small", "--yes"]).fails(0, &["the sweep `small` is removed", "its results stay"]);
    assert_eq!(place.results(), results);
    place.run(&other("plan")).succeeds();
    assert_eq!(place.run(&["sweeps", "list"]).succeeds().stdout.lines().count(), 1, "nothing is listed");
    // What was there before is found again.
    let again = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!((&again["revision"], &again["counts"]["run"]), (&1.into(), &0.into()));
}

#[test]
fn sweeps_are_listed_and_removed() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.run(&["run", "sweep.yaml", "-o", "name=other", "-o", "parameters.scaling.values=[0.4]"]).succeeds();
    let listed = place.run(&["sweeps", "list", "--json"]).succeeds().json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|sweep| sweep["sweep"].as_str().unwrap()).collect();
    assert_eq!(names, ["other", "small"]);
    assert_eq!((&listed[1]["state"], &listed[1]["jobs"]), (&"finished".into(), &5.into()));
    assert_eq!(listed[1]["chosen"]["name"], "knots_ties");
    let text = place.run(&["sweeps", "list"]).succeeds().stdout.clone();
    assert!(text.lines().nth(2).unwrap().starts_with("small  1     finished  5 of 5"), "{text}");

    place.run(&["sweeps", "remove", "small"]).fails(2, &["needs a confirmation", "--yes"]);
    place.run(&["sweeps", "remove", "none", "--yes"]).fails(65, &["holds no sweep named `none`"]);
    // A coordinator that has just stored its progress, by its own clock.
    let progress = place.path("bowline-results/sweeps/small/progress.json");
    let mut document: serde_json::Value = serde_json::from_slice(&fs::read(&progress).unwrap()).unwrap();
    document.as_object_mut().unwrap().remove("ended");
    document["updated_ms"] = u64::try_from(now_ms()).unwrap().into();
    fs::write(&progress, document.to_string()).unwrap();
    let remove = ["sweeps", "remove", "small", "--results", "--yes"];
    place.run(&remove).fails(65, &["a run of the sweep `small` seems to be active", "--force"]);
    // Workers of a pool looked for its jobs.
    let entry = place.path("bowline-results/pools/a40/small.json");
    fs::create_dir_all(entry.parent().unwrap()).unwrap();
    fs::write(&entry, "{}").unwrap();
    place
        .run(&with(&remove, &["--force"]))
        .fails(0, &["the results of 1 jobs; those of 4 stay", "`bowline cancel small --pool a40 --queue URL`"]);
    assert!(!entry.exists());
    assert_eq!(place.results(), 4);
    place.run(&remove).fails(65, &["holds no sweep named `small`"]);
}

#[test]
fn an_evaluation_leaves_its_results_and_no_sweep() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.write("recipe.json", r#"{"preset": "core_ties", "scaling": 0.5}"#);
    let evaluate = ["evaluate", "sweep.yaml", "--recipe", "recipe.json", "--split", "validation", "--json"];
    assert_eq!(
        place.run(&evaluate).succeeds().json()["counts"],
        serde_json::json!({"run": 1, "reused": 3, "failed": 0})
    );
    assert_eq!(
        place.run(&evaluate).succeeds().json()["counts"],
        serde_json::json!({"run": 0, "reused": 4, "failed": 0})
    );
    let text = place.run(&evaluate[..6]).succeeds().stdout.clone();
    assert!(text.contains("recipe") && !text.contains("is chosen"), "{text}");
    assert!(place.run(&["watch", "--once"]).succeeds().stdout.starts_with("small: finished"));

    // As an older version would have kept it.
    let fixed = ["-o", "recipe=null", "-o", "parameters=null", "-o", "baselines=[{name: recipe, preset: ties}]"];
    place.run(&with(&["run", "sweep.yaml", "-o", "name=evaluate-f714f81f8e0e"], &fixed)).succeeds();
    assert!(place.run(&["watch", "--once"]).succeeds().stdout.starts_with("small: finished"));
    assert!(!place.run(&["analyze"]).succeeds().stdout.contains("evaluate-"));
    assert!(!place.run(&["status"]).succeeds().stdout.contains("evaluate-"));
    assert!(place.run(&["status", "evaluate-f714f81f8e0e"]).succeeds().stdout.contains("finished"));
    let listed = place.run(&["sweeps", "list"]).succeeds().stdout.clone();
    assert!(listed.contains("finished, an evaluation"), "{listed}");
    place.run(&["sweeps", "remove", "evaluate-f714f81f8e0e", "--yes"]).succeeds();
    assert_eq!(place.run(&["sweeps", "list"]).succeeds().stdout.lines().count(), 2);
}
