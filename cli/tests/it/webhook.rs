//! The notification of a URL about the end of a run.

use crate::bowline::Place;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
    thread,
};

/// A request as a server sees it.
struct Request {
    head: String,
    body: Value,
}

/// Answers requests with these statuses, one after the other.
fn server(statuses: &'static [&'static str]) -> (String, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for status in statuses {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap()];
            reader.read_exact(&mut body).unwrap();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            (&stream).write_all(answer.as_bytes()).unwrap();
            sender.send(Request { head, body: serde_json::from_slice(&body).unwrap() }).unwrap();
        }
    });
    (address, requests)
}

#[test]
fn a_url_is_notified_how_a_run_ended_and_its_secrets_are_not_shown() {
    let place = Place::new();
    let (address, requests) = server(&["503 Service Unavailable", "204 No Content", "404 Not Found"]);
    let url = format!("http://user:hunter2@{address}/services/hush?key=whisper");
    let run = |args: &[&str]| {
        let mut command = place.command(&[&["run", "sweep.yaml", "--threads", "1"][..], args].concat());
        command.env("BOWLINE_ON_END_URL", &url).env("NO_PROXY", "127.0.0.1");
        let ran = Place::ran(command);
        for secret in ["hunter2", "hush", "whisper"] {
            assert!(!ran.stderr.contains(secret) && !ran.stdout.contains(secret), "{ran:?}");
        }
        ran
    };
    // The first answer may pass: it is asked once more.
    let summary = run(&["--json"]).succeeds().json();
    let first = requests.recv().unwrap();
    let second = requests.recv().unwrap();
    assert_eq!(first.body, second.body);
    assert!(second.head.starts_with("POST /services/hush?key=whisper HTTP/1.1\r\n"), "{}", second.head);
    assert!(second.head.to_lowercase().contains("authorization: basic "), "{}", second.head);
    let body = &second.body;
    assert_eq!((&body["sweep"], &body["ended"], &body["exit_code"]), (&"small".into(), &"finished".into(), &0.into()));
    assert_eq!((&body["revision"], &body["counts"]), (&1.into(), &summary["counts"]));
    let winner = summary["rows"].as_array().unwrap().iter().find(|row| row["is_chosen"] == true).unwrap();
    for key in ["name", "value", "recipe"] {
        assert_eq!(body["winner"][key], winner[key], "{body}");
    }
    assert!(body["text"].as_str().unwrap().starts_with("small: finished; "), "{body}");

    // One that does not take it changes nothing.
    let stopped = run(&["--max-time", "0", "-o", "name=other"]);
    stopped
        .fails(75, &["warning: `--on-end-url` (http://127.0.0.1:", "received no notice: the answer was 404 Not Found"]);
    let body = requests.recv().unwrap().body;
    assert_eq!((&body["ended"], &body["exit_code"], &body["winner"]), (&"stopped".into(), &75.into(), &Value::Null));
    assert!(body["message"].as_str().unwrap().contains("has used its time limit"), "{body}");
}

#[test]
fn a_url_that_is_none_is_refused_before_anything_runs_and_not_repeated() {
    let place = Place::new();
    for url in ["hunter2", "ftp://user:hunter2@host/x"] {
        let ran = place.run(&["run", "sweep.yaml", "--on-end-url", url]);
        ran.fails(2, &["`--on-end-url`", "https://host/path"]);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
    assert!(!place.path("bowline-results").exists());
}
