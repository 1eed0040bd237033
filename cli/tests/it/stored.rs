//! A store whose documents were edited, emptied or forged.

use crate::bowline::Place;
use serde_json::Value;
use std::{fs, path::PathBuf};

/// The stored results of merges, which are points of the search.
fn merges(place: &Place) -> Vec<PathBuf> {
    let folders = fs::read_dir(place.path("bowline-results/results")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    let mut merges: Vec<PathBuf> = paths.filter(|path| !read(path)["meaning"]["subject"]["merge"].is_null()).collect();
    merges.sort();
    merges
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn edit(path: &PathBuf, change: impl FnOnce(&mut Value)) {
    let mut value = read(path);
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

/// All points are looked at, whatever becomes of one.
const RUN: &[&str] = &["run", "sweep.yaml", "-o", "method=grid"];

fn with(more: &[&'static str]) -> Vec<&'static str> {
    RUN.iter().chain(more).copied().collect()
}

/// A sweep that was run, without the parts that repeat its results.
fn ran() -> Place {
    let place = Place::new();
    place.run(RUN).succeeds();
    fs::remove_dir_all(place.path("bowline-results/sweeps/small/parts")).unwrap();
    place
}

#[test]
fn an_edited_result_is_one_corrupt_job_until_it_is_repaired() {
    let place = ran();
    let whole = place.run(&with(&["--json"])).succeeds().json();
    let edits: [fn(&mut Value); 3] = [
        |value| {
            value["scores"][0].as_object_mut().unwrap().remove("right");
            value["scores"][0]["correct"] = (10 * value["scores"][0]["n"].as_u64().unwrap()).into();
        },
        |value| {
            for score in value["scores"].as_array_mut().unwrap() {
                score.as_object_mut().unwrap().remove("right");
                (score["n"], score["correct"]) = (1.into(), 1.into());
            }
        },
        |value| value["scores"] = serde_json::json!([]),
    ];
    for change in edits {
        fs::remove_dir_all(place.path("bowline-results/sweeps/small/parts")).ok();
        let path = merges(&place)[0].clone();
        edit(&path, change);
        let expected = "the stored result of the job is corrupt; `bowline run --repair` computes it again";
        let failed = place.run(RUN);
        failed.fails(
            3,
            &["1 of 5 jobs failed", expected, "hint: the stored results are corrupt; `bowline run --repair`"],
        );
        assert!(!failed.stderr.contains("--retry-failed"), "it would try nothing: {}", failed.stderr);
        assert!(!failed.stdout.contains("1000.0"), "{}", failed.stdout);
        let state = place.run(&["status", "--json"]).succeeds().json();
        assert_eq!((state[0]["corrupt"].as_u64(), state[0]["failed"].as_u64()), (Some(1), Some(1)), "{state}");
        let shown = place.run(&["analyze"]);
        assert!(!shown.succeeds().stdout.contains("1000.0"), "{}", shown.stdout);

        let repaired = place.run(&with(&["--repair", "--json"]));
        assert_eq!(repaired.succeeds().json()["rows"], whole["rows"], "{}", repaired.stderr);
        assert_eq!(repaired.json()["counts"], serde_json::json!({"run": 1, "reused": 4, "failed": 0}));
        let kept = fs::read_dir(place.path("bowline-results/set-aside")).unwrap().count();
        assert!(kept >= 1, "what lay there is kept");
    }
}

#[test]
fn a_name_in_a_document_leads_nowhere() {
    let place = ran();
    let outcome = place.path("bowline-results/sweeps/small/outcome.json");
    let whole = fs::read(&outcome).unwrap();
    let absolute = place.path("EVIL").display().to_string();
    for name in ["../../../EVIL", absolute.as_str(), "other"] {
        edit(&outcome, |value| value["sweep"] = name.into());
        place.run(&["analyze", "--out", "a/b/c"]).fails(0, &["warning: small cannot be shown", "belongs to the sweep"]);
        assert!(!place.path("EVIL").exists() && !place.path("a/b/c/other").exists());
        place.run(&["analyze", "--sweep", "small"]).fails(65, &["outcome.json", "hint: a sweep's folder has"]);
    }
    fs::write(&outcome, &whole).unwrap();
    edit(&outcome, |value| {
        value["select"] = "../../../EVIL/x".into();
        value["report"] = "../../../EVIL/x".into();
    });
    place.run(&["analyze", "--out", "a/b/c"]);
    assert!(!place.path("EVIL").exists());
}

#[test]
fn a_broken_document_does_not_end_what_has_nothing_to_do_with_it() {
    let place = ran();
    place.run(&with(&["-o", "name=other"])).succeeds();
    let document = |name: &str| place.path("bowline-results/sweeps/small").join(name);
    fs::write(document("cancelled.json"), "").unwrap();
    place.run(RUN).fails(75, &["counts as cancelled", "`bowline cancel --undo"]);
    let state = place.run(&["status", "small", "--json"]).succeeds().json();
    assert_eq!(state[0]["cancelled"], true);
    place.run(&["cancel", "--undo", "small"]).succeeds();
    place.run(RUN).succeeds();

    fs::write(document("progress.json"), "").unwrap();
    place.run(&["watch", "small", "--once"]).fails(0, &["progress.json"]);
    fs::write(document("outcome.json"), "").unwrap();
    let shown = place.run(&["analyze"]);
    shown.fails(0, &["warning: small cannot be shown"]);
    assert!(shown.stdout.contains("other"), "{}", shown.stdout);
    place.run(RUN).succeeds();
    assert!(place.run(&["analyze"]).succeeds().stdout.contains("small"));

    fs::write(document("manifest.json"), "").unwrap();
    place.run(RUN).fails(65, &["manifest.json", "hint: `bowline sweeps remove NAME`"]);
    assert!(place.run(&["status"]).succeeds().stdout.contains("other: finished"));
}

#[test]
fn a_flipped_bit_in_a_part_is_told_and_the_row_is_read_from_its_object() {
    let place = Place::new();
    place.run(RUN).succeeds();
    let whole = place.run(&["analyze", "--table", "top", "--format", "csv"]).succeeds().stdout.clone();
    let part = place.path("bowline-results/sweeps/small/parts/0.parquet");
    let bytes = fs::read(&part).unwrap();
    for place_of in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut damaged = bytes.clone();
        damaged[place_of] ^= 4;
        fs::write(&part, damaged).unwrap();
        let read = place.run(&["analyze", "--table", "top", "--format", "csv"]);
        assert_eq!(read.succeeds().stdout, whole, "byte {place_of}: {}", read.stderr);
    }
}

#[test]
fn names_of_others_move_no_cursor() {
    let place = Place::new();
    let baselines = r#"baselines=[{name: "a\u001b[31m\u001b]0;x\u0007b", preset: task_arithmetic}]"#;
    let ran = place.run(&["run", "sweep.yaml", "-o", baselines]);
    let analysed = place.run(&["analyze"]);
    for text in [&ran.succeeds().stdout, &ran.stderr, &analysed.succeeds().stdout, &analysed.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
    assert!(analysed.stdout.contains("a\\u001b[31m"), "{}", analysed.stdout);
}

#[test]
fn an_address_is_shown_without_what_is_secret_in_it() {
    let place = Place::new();
    for store in ["s3://KEY:SECRET@bucket", "s3://KEY:SEC/SECRET@bucket/x", "https://u:SECRET@host/x"] {
        let ran = place.run(&["status", "--store", store]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(!ran.stderr.contains("SECRET") && ran.stderr.contains("--store"), "{}", ran.stderr);
    }
    let mut help = place.command(&["run", "--help"]);
    help.env("BOWLINE_STORE", "s3://KEY:SECRET@bucket");
    let help = help.output().unwrap();
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(!text.contains("SECRET") && text.contains("BOWLINE_STORE"), "{text}");
    let probed = place.run(&["probe", "http://u:SECRET@127.0.0.1:9/healthz?key=SECRET"]);
    assert!(!probed.stderr.contains("SECRET") && probed.stderr.contains("http://127.0.0.1:9/healthz"), "{probed:?}");
}
