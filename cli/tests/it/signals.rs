//! What ends commands from outside: a terminal that goes away, and a reader that does.

use crate::{bowline::Place, process::Process};
use std::{
    fs,
    io::{BufRead, BufReader},
    process::Command,
};

/// A place whose sweep looks as if a run of it were at work.
fn at_work() -> Place {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--threads", "1", "--max-time", "0"]).fails(75, &["has used its time limit"]);
    let path = place.path("bowline-results/sweeps/small/progress.json");
    let mut progress: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    progress.as_object_mut().unwrap().remove("ended");
    fs::write(path, progress.to_string()).unwrap();
    place
}

#[test]
fn a_watch_ends_when_its_reader_is_gone() {
    let place = at_work();
    for json in [&["--json"][..], &[]] {
        let mut command = place.command(&[&["watch", "small", "--interval", "1"][..], json].concat());
        let mut watch = command.spawn().unwrap();
        let mut line = String::new();
        // As `head -1` does: it reads a line and closes the pipe.
        BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("small"), "{line}");
        let output = watch.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    }
}

#[test]
fn a_run_continues_and_reports_its_end_when_its_reader_is_gone() {
    let place = Place::new();
    let bowline = env!("CARGO_BIN_EXE_bowline");
    let script = format!("{bowline} -v run sweep.yaml --threads 1 2>&1 | head -1; exit ${{PIPESTATUS[0]}}");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("HF_HUB_OFFLINE", "1").current_dir(place.path(""));
    let ran = Place::ran(command);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{ran:?}");
    assert!(place.path("bowline-results/sweeps/small/outcome.json").exists());
}

#[test]
fn a_terminal_that_goes_away_ends_watch_and_run_as_sigterm_does() {
    let place = at_work();
    let mut watch = Process::start(place.command(&["watch", "small", "--interval", "1"]));
    watch.prints("small");
    watch.signal("HUP");
    assert_eq!(watch.ends(), Some(0), "{}", watch.said());

    let long = ["-o", "method=grid", "-o", "parameters.scaling={min: 0.01, max: 2.0, step: 0.01}"];
    let mut run = Process::start(place.command(&[&["run", "sweep.yaml", "--threads", "1"][..], &long].concat()));
    run.says("scaling=0.02");
    // Shells and the system both send one: the second does not hurry it.
    run.signal("HUP");
    run.signal("HUP");
    assert_eq!(run.ends(), Some(75), "{}", run.said());
    assert!(run.said().contains("interrupted"), "{}", run.said());
    let progress = fs::read_to_string(place.path("bowline-results/sweeps/small/progress.json")).unwrap();
    assert!(progress.contains(r#""ended": "interrupted""#), "{progress}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_command_that_was_started_to_outlive_its_terminal_does() {
    let place = at_work();
    let mut command = Command::new("sh");
    let script = r#"trap "" HUP; exec "$0" watch small --interval 1 --json"#;
    command.args(["-c", script, env!("CARGO_BIN_EXE_bowline")]).current_dir(place.path(""));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut watch = Process::start(command);
    watch.prints("small");
    watch.signal("HUP");
    // It reads the sweep twice more, because it received no signal.
    let path = place.path("bowline-results/sweeps/small/progress.json");
    let document = fs::read_to_string(&path).unwrap();
    fs::write(&path, document.replace(r#""bound":"#, r#""phase":"still there","bound":"#)).unwrap();
    watch.prints("still there");
    assert!(watch.is_running());
    watch.signal("TERM");
    assert_eq!(watch.ends(), Some(0), "{}", watch.said());
}
