use crate::bowline::Place;
use std::fs;

#[test]
fn tables_are_printed_written_and_compared() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.run(&["run", "sweep.yaml", "-o", "name=other", "-o", "parameters.scaling.values=[0.2, 0.4]"]).succeeds();

    let first = place.run(&["analyze"]).succeeds().stdout.clone();
    assert!(first.contains("accuracy on validation, in %") && first.contains("the best of each method"), "{first}");
    assert!(first.lines().all(|line| line.chars().count() <= 120), "{first}");
    let cost =
        place.run(&["analyze", "--sweep", "small", "--table", "cost", "--format", "csv"]).succeeds().stdout.clone();
    assert!(cost.starts_with("method,jobs,load,align,merge,evaluate,sum,wall,devices\n"), "{cost}");
    let hits = place.run(&["analyze", "--sweep", "small", "--table", "hits"]);
    hits.fails(0, &["small has no table `hits`: its benchmark is not joint"]);

    let json = place.run(&["analyze", "--json"]).succeeds().json();
    let shared = |index: usize| {
        json[1]["tables"].as_array().unwrap().iter().find(|table| table["name"] == "cost").unwrap()
        ["rows"][index]["cells"][2]
        .as_u64()
    };
    // Zero-shot, two adapters alone, and the point that both looked at.
    assert_eq!((json[0]["sweep"].as_str(), shared(0), shared(1)), (Some("other"), Some(1), Some(2)));

    let compared = place.run(&["analyze", "--compare", "small", "other", "--out", "out"]).succeeds().stdout.clone();
    assert!(compared.contains("what small and other chose") && compared.contains("optdigits"), "{compared}");
    let names = ["compare.md", "small/tables/accuracy-validation.tex", "other/tables/best.csv", "results.parquet"];
    for name in names {
        assert!(place.path("out").join(name).exists(), "{name}");
    }
    place.run(&["analyze", "--compare", "small", "none"]).fails(65, &["holds no sweep named `none`"]);
}

#[test]
fn a_problem_is_told_once() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    let folder = fs::read_dir(place.path("bowline-results/results")).unwrap().next().unwrap().unwrap().path();
    let object = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    fs::write(&object, "{").unwrap();
    fs::remove_dir_all(place.path("bowline-results/sweeps/small/parts")).ok();
    let ran = place.run(&["analyze", "--out", "out"]);
    ran.succeeds();
    let job = object.file_stem().unwrap().to_str().unwrap().to_owned();
    let lines = ran.stderr.lines().chain(ran.stdout.lines()).filter(|line| line.contains(&job)).count();
    assert_eq!(lines, 1, "{ran:?}");
}

#[test]
fn a_store_without_a_sweep_says_so() {
    let place = Place::new();
    fs::create_dir_all(place.path("empty")).unwrap();
    place.run(&["analyze", "empty", "--out", "out"]).fails(0, &["holds no sweep to show", "no results to write"]);
}

#[test]
fn a_sweep_that_goes_on_is_shown_as_far_as_it_has_come() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    // What a coordinator that was killed leaves: no outcome, and results.
    fs::remove_file(place.path("bowline-results/sweeps/small/outcome.json")).unwrap();
    let finished = place.run(&["analyze", "--out", "out"]);
    finished.fails(0, &["small has not finished: `bowline run` resumes it"]);
    assert!(finished.stdout.contains("leads so far"), "{finished:?}");
    assert!(fs::read_to_string(place.path("out/small/report.html")).unwrap().contains("not finished: "));
    let json = place.run(&["analyze", "--json"]).json();
    let so_far = &json[0]["so_far"];
    assert!(so_far["stored"].as_u64() > Some(0) && so_far["stored"] == so_far["jobs_at_most"], "{so_far}");

    for folder in fs::read_dir(place.path("bowline-results/results")).unwrap() {
        fs::remove_dir_all(folder.unwrap().path()).unwrap();
    }
    fs::remove_dir_all(place.path("bowline-results/sweeps/small/parts")).ok();
    let nothing = place.run(&["analyze"]);
    nothing.fails(0, &["small has not finished"]);
    assert!(nothing.stdout.contains("no merge has a value"), "{nothing:?}");
}

#[test]
fn several_sweeps_have_one_page_with_all_tables_and_charts() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.run(&["run", "sweep.yaml", "-o", "name=other"]).succeeds();
    place.run(&["analyze", "--out", "all"]).succeeds();
    let page = std::fs::read_to_string(place.path("all/report.html")).unwrap();
    for text in
        ["id=\"small\"", "id=\"other\"", "href=\"other/report.html\"", "<img alt=", "data:image/svg+xml;base64,"]
    {
        assert!(page.contains(text), "{text}");
    }
    place.run(&["analyze", "--sweep", "small", "--out", "one"]).succeeds();
    assert!(place.path("one/small/report.html").exists() && !place.path("one/report.html").exists());
}
