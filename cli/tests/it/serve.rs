//! The reports of a store in a browser.

use crate::bowline::Place;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command},
};

/// `bowline serve` over the default store of a place.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(place: &Place) -> Self {
        let mut child = place.command(&["serve", "--listen", "127.0.0.1:0", "--refresh", "2"]).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://").unwrap();
        Self { child, address: rest.split_once('/').unwrap().0.to_owned() }
    }

    /// The head and the body of an answer.
    fn ask(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_reports_of_finished_and_of_running_sweeps_are_pages_and_a_signal_ends_the_server_well() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--json"]).succeeds();
    // Without its outcome, the sweep is one that has not finished, with its results so far.
    let folder = place.path("bowline-results/sweeps/small");
    fs::rename(folder.join("outcome.json"), place.path("outcome.json")).unwrap();
    fs::remove_file(folder.join("progress.json")).unwrap();
    let mut server = Server::start(&place);
    let (head, index) = server.ask("/");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("refresh: 2"), "{head}");
    assert!(index.contains(r#"<a href="/sweeps/small">small</a>"#) && index.contains("not begun"), "{index}");
    let (head, running) = server.ask("/sweeps/small");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("refresh: 2"), "{head}");
    assert!(running.contains("no worker has a recent heartbeat in this store") && running.contains("knots_ties"));
    drop(server);

    fs::rename(place.path("outcome.json"), folder.join("outcome.json")).unwrap();
    server = Server::start(&place);
    let (head, finished) = server.ask("/sweeps/small");
    assert!(head.starts_with("HTTP/1.1 200") && !head.contains("refresh:"), "{head}");
    assert_eq!(finished.matches("workers of the store").count(), 0, "it has finished");
    for (path, status) in [("/sweeps/other", "404"), ("/sweeps/../x", "404"), ("/results", "404"), ("/sweeps/", "404")]
    {
        assert!(server.ask(path).0.starts_with(&format!("HTTP/1.1 {status}")), "{path}");
    }
    assert!(Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap().success());
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_without_a_store_or_an_address_says_so() {
    let place = Place::new();
    place.run(&["serve", "nothing"]).fails(69, &["nothing"]);
    place.run(&["run", "sweep.yaml", "--json"]).succeeds();
    let server = Server::start(&place);
    place.run(&["serve", "--listen", &server.address]).fails(69, &["`--listen` does not work", "cannot listen at"]);
}
