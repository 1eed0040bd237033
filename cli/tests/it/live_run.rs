//! The live page of a run.

use crate::{
    commands::{EVALUATOR, SWEEP, place_with},
    watching::{Shown, until},
};
use std::{
    fs::OpenOptions,
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

/// Every evaluation waits for a line from a pipe, so that the run is under way for as long as the test looks at it.
#[test]
fn a_run_that_listens_shows_its_report_while_it_is_under_way() {
    let place = place_with(SWEEP);
    let gate = place.path("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    place.write("eval.sh", format!("read -r _ < '{}'\n{EVALUATOR}", gate.display()));
    let mut run = Shown::start(place.command(&["run", "sweep.yaml", "--allow-commands", "--json"]));
    // The worker of this process may have its first heartbeat after the first page.
    let (_, page) = until("the page of the sweep shows the worker", || {
        let has = |page: &str| page.contains("workers of the store") && page.contains("local-");
        run.ask("/sweeps/own").filter(|(status, page)| *status == 200 && has(page))
    });
    assert!(page.contains("report-data"), "{page}");
    let (status, index) = run.ask("/").unwrap();
    assert!(status == 200 && index.contains(r#"<a href="/sweeps/own">own</a>"#), "{index}");
    assert_eq!(run.ask("/healthz").unwrap(), (200, "ok\n".to_owned()));
    assert!(run.ask("/metrics").unwrap().1.contains("sweep_jobs"));
    // A page of another site reads no report, and probes may call the machine what they like.
    let foreign = |path: &str| {
        let mut stream = TcpStream::connect(run.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(foreign("/sweeps/own").starts_with("HTTP/1.1 403"));
    assert!(foreign("/healthz").starts_with("HTTP/1.1 200"));

    // Open for both, a pipe keeps what nobody has read yet.
    let mut opened = OpenOptions::new().read(true).write(true).open(&gate).unwrap();
    opened.write_all(&[b'\n'; 1000]).unwrap();
    run.ends_well();
    drop(opened);
}
