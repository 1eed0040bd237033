//! How runs end otherwise than by their sweep's end, and what is said then.

use crate::{bad_input::write_images_with_a_damaged_one, bowline::Place};
use std::fs;

#[test]
fn a_command_of_the_users_hears_how_a_run_ended() {
    let place = Place::new();
    let hook = r#"echo "$BOWLINE_SWEEP: $BOWLINE_ENDED $BOWLINE_EXIT_CODE $BOWLINE_MESSAGE" >> ended.txt; echo said"#;
    let late = place.run(&["run", "sweep.yaml", "--threads", "1", "--max-time", "0", "--on-end", hook]);
    late.fails(75, &["the sweep was stopped: the run has used its time limit of 0 s", "said"]);
    let done = place.run(&["run", "sweep.yaml", "--threads", "1", "--json", "--on-end", hook]);
    assert_eq!(done.succeeds().json()["sweep"], "small");
    let text = fs::read_to_string(place.path("ended.txt")).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("small: stopped 75 the sweep was stopped: "), "{text}");
    assert_eq!(lines[1], "small: finished 0");
    let failing = place.run(&["run", "sweep.yaml", "--threads", "1", "--on-end", "exit 3"]);
    assert!(failing.succeeds().stderr.contains("warning: the command of `--on-end` ended with"), "{}", failing.stderr);
}

#[test]
fn a_sweep_is_finished_with_the_best_so_far() {
    let place = Place::new();
    place.run(&["finish", "small"]).fails(69, &["bowline-results"]);
    // One of two points is evaluated by another sweep, which has no other.
    let one = ["run", "sweep.yaml", "--threads", "1", "-o", "name=other", "-o", "parameters.scaling=[0.4]"];
    place.run(&one).succeeds();
    place.run(&["run", "sweep.yaml", "--threads", "1", "--max-time", "0"]).fails(75, &["has used its time limit"]);
    let status = place.run(&["status", "small"]);
    assert!(status.succeeds().stdout.contains("small: not finished"), "{}", status.stdout);
    let ended = place.run(&["finish", "small", "--threads", "1", "--json"]);
    let summary = ended.succeeds().json();
    assert_eq!(summary["ended_early"], true);
    let row = summary["rows"].as_array().unwrap().last().unwrap();
    assert_eq!((&row["recipe"]["scaling"], &row["search"]["points"]), (&0.4.into(), &1.into()), "{row}");
    assert!(place.path("bowline-results/sweeps/small/best/adapter_config.json").exists());
    // Who runs the sweep again wants all of it.
    let whole = place.run(&["run", "sweep.yaml", "--threads", "1", "--json"]).succeeds().json();
    assert_eq!(whole.get("ended_early"), None);
    assert_eq!(whole["rows"].as_array().unwrap().last().unwrap()["search"]["points"], 2);
}

#[test]
fn a_sweep_whose_base_cannot_be_evaluated_stops_with_one_message() {
    let place = Place::new();
    write_images_with_a_damaged_one(&place);
    let grid = [
        "-o",
        "tasks.mnist.data=images",
        "-o",
        "method=grid",
        "-o",
        "metric.name=mean_accuracy",
        "-o",
        "parameters.scaling={min: 0.01, max: 1.0, step: 0.01}",
    ];
    let ran = place.run(&[&["run", "sweep.yaml", "--threads", "1"][..], &grid].concat());
    ran.fails(65, &["the sweep was stopped: the base model itself failed on `validation`"]);
    assert!(ran.stderr.matches("failed: ").count() < 10, "{}", ran.stderr);
    let status = place.run(&["status", "small"]);
    assert!(!status.stdout.contains("cancelled"), "{}", status.stdout);
}

#[test]
fn a_name_that_the_store_does_not_know_is_cancelled_in_the_queue_alone() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--threads", "1", "--max-time", "0"]).fails(75, &[]);
    for name in ["gone", "../x", ""] {
        place.run(&["cancel", name]).fails(65, &["holds no sweep named"]);
    }
}
