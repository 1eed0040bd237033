//! Jobs and sweeps that are looked up.

use crate::bowline::Place;
use std::fs;

/// The ids of all results of a store.
fn jobs(place: &Place) -> Vec<String> {
    let folders = fs::read_dir(place.path("bowline-results/results")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().file_name().to_str().unwrap().trim_end_matches(".json").to_owned()).collect()
}

#[test]
fn a_job_is_shown_with_what_it_is_what_it_came_to_and_where_it_comes_from() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    let all = jobs(&place);
    let shown: Vec<String> = all.iter().map(|job| place.run(&["show", &job[..12]]).succeeds().stdout.clone()).collect();
    let merge = shown.iter().find(|text| text.contains("point of `knots_ties` in the sweep small")).unwrap();
    for words in [
        "evaluates    a merge on `validation` of optdigits, mnist",
        "recipe       {",
        "%, ",
        "mean ",
        "computed     by local-",
        "time ",
        "versions ",
    ] {
        assert!(merge.contains(words), "no `{words}` in {merge}");
    }
    assert!(shown.iter().any(|text| text.contains("the adapter of `mnist` alone")), "{shown:?}");
    assert!(
        shown.iter().any(|text| text.contains("the base on `validation`") && text.contains("row of `zero-shot`")),
        "{shown:?}"
    );
    let json = place.run(&["show", &all[0], "--json"]).succeeds().json();
    assert_eq!((json["job"].as_str(), json["result"]["job"].as_str()), (Some(all[0].as_str()), Some(all[0].as_str())));
    let artefact = fs::read_dir(place.path("bowline-results/artefacts")).unwrap().next().unwrap().unwrap();
    let written = place.run(&["show", artefact.file_name().to_str().unwrap()]).succeeds().stdout.clone();
    assert!(
        written.contains("writes       the merge as") && written.contains("adapter_model.safetensors"),
        "{written}"
    );
}

#[test]
fn an_id_that_is_none_or_that_is_not_unique_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path("bowline-results")).unwrap();
    place.run(&["show", "mnist"]).fails(65, &["`mnist` is no job id"]);
    place.run(&["show", "abc"]).fails(65, &["`abc` matches no job of the store", "hint: `--store`"]);
}

#[test]
fn a_sweep_is_shown_with_its_inputs_and_its_choice() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    let shown = place.run(&["sweeps", "show", "small"]).succeeds().stdout.clone();
    for words in [
        "sweep        small",
        "state        finished",
        "tasks        optdigits",
        "method       linear",
        "searches     knots_ties over scaling",
        "report       ",
        "winner       ",
    ] {
        assert!(shown.contains(words), "no `{words}` in {shown}");
    }
    let json = place.run(&["sweeps", "show", "small", "--json"]).succeeds().json();
    assert_eq!((json["state"].as_str(), json["file"]["name"].as_str()), (Some("finished"), Some("small")));
    place.run(&["sweeps", "show", "other"]).fails(65, &["holds no sweep named `other`", "hint: `bowline sweeps list`"]);
}

#[test]
fn a_quiet_run_prints_its_table_alone_and_colour_can_be_forced() {
    let place = Place::new();
    let quiet = place.run(&["-q", "run", "sweep.yaml"]);
    assert!(quiet.succeeds().stdout.contains("zero-shot"), "{quiet:?}");
    assert!(quiet.stderr.lines().all(|line| line.starts_with("warning:") || line.starts_with(' ')), "{}", quiet.stderr);
    let styled = place.run(&["run", "sweep.yaml", "--color", "always"]);
    assert!(styled.succeeds().stdout.contains("\u{1b}[1m"), "{styled:?}");
    place.run(&["-q", "-v", "run", "sweep.yaml"]).fails(2, &["cannot be used with"]);
}
