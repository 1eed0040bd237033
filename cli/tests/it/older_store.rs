//! A store that the program wrote before jobs had kinds: see `testdata/stores`.

use crate::{
    bowline::{Place, Ran},
    cluster::runtime,
};
use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use store::testing::{HttpFaults, S3Server};

/// What the older program wrote as the winner's weights.
const WEIGHTS: &str = "36ae5d1f2281c5b86b0eda6e3a1a71b6499751120402e9bd7ec5ef13ed31f186";

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn older_store(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/stores/version-2");
    copy(&from, to).unwrap();
}

/// The files of results below a store.
fn results(store: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(store.join("results")).unwrap();
    let files = folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn counts(ran: &Ran) -> Value {
    ran.json()["counts"].clone()
}

/// The numbers of a summary's rows: value and splits by name.
fn numbers(summary: &Value) -> Vec<(Value, Value, Value)> {
    let rows = summary["rows"].as_array().unwrap();
    rows.iter().map(|row| (row["name"].clone(), row["value"].clone(), row["splits"].clone())).collect()
}

/// An older store at `location`, whose objects lie in `folder`.
struct Older {
    place: Place,
    location: String,
    server: Option<S3Server>,
    folder: PathBuf,
}

impl Older {
    fn run(&self, args: &[&str]) -> Ran {
        self.command(&[args, &["--store", &self.location]].concat())
    }

    fn command(&self, args: &[&str]) -> Ran {
        let mut command = self.place.command(args);
        if let Some(server) = &self.server {
            command.env("AWS_ENDPOINT_URL", server.endpoint()).env("AWS_REGION", "us-east-1");
            // Those of the server of tests.
            command.env("AWS_ACCESS_KEY_ID", "bowline").env("AWS_SECRET_ACCESS_KEY", "correct-horse-battery-staple");
        }
        Place::ran(command)
    }
}

/// A card without the measurements in its front matter, which older programs did not write.
fn without_index(card: &str) -> String {
    match card.split_once("model-index:\n") {
        Some((before, rest)) => match rest.split_once("---\n") {
            Some((_, after)) => format!("{before}---\n{after}"),
            None => card.to_owned(),
        },
        None => card.to_owned(),
    }
}

/// Reads, resumes and analyses an older store.
fn check(older: &Older) {
    let folder = older.folder.as_path();
    let run = |args: &[&str]| older.run(args);
    let status = run(&["status", "small"]);
    assert!(status.succeeds().stdout.contains("5"), "{status:?}");
    let of_older: Value = serde_json::from_slice(&fs::read(folder.join("sweeps/small/summary.json")).unwrap()).unwrap();
    let analysed = older.command(&["analyze", &older.location, "--json"]).succeeds().json();
    assert_eq!(numbers(&analysed[0]), numbers(&of_older));

    // Every id is what it was: nothing is evaluated again, and the winner is written once.
    let first = run(&["run", "sweep.yaml", "--json"]);
    assert_eq!(counts(first.succeeds()), serde_json::json!({"run": 0, "reused": 5, "failed": 0}), "{}", first.stderr);
    assert_eq!(numbers(&first.json()), numbers(&of_older));
    let best = folder.join("sweeps/small/best");
    let weights = fs::read(best.join("adapter_model.safetensors")).unwrap();
    assert_eq!(jobs::Digest::of(&weights).to_string(), WEIGHTS);
    let of_older = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/stores/version-2/sweeps/small/best");
    for name in ["adapter_config.json", "recipe.json", "README.md"] {
        // The measurements in a card may be worded in another way. The description of the merge may not.
        let read = |folder: &Path| {
            let text = fs::read_to_string(folder.join(name)).unwrap();
            without_index(text.split("### ").next().unwrap_or_default())
        };
        assert_eq!(read(&best), read(&of_older), "{name}");
    }
    let mark: Value = serde_json::from_slice(&fs::read(best.join("merge.json")).unwrap()).unwrap();
    assert!(mark["artefact"].is_string(), "{mark}");

    // What is lost of it is computed again, and to the same.
    fs::remove_dir_all(folder.join("sweeps/small/parts")).unwrap();
    let lost = &results(folder)[1];
    let before: Value = serde_json::from_slice(&fs::read(lost).unwrap()).unwrap();
    fs::remove_file(lost).unwrap();
    let second = run(&["run", "sweep.yaml", "--json"]);
    assert_eq!(counts(second.succeeds()), serde_json::json!({"run": 1, "reused": 4, "failed": 0}), "{}", second.stderr);
    let after: Value = serde_json::from_slice(&fs::read(lost).unwrap()).unwrap();
    for key in ["version", "job", "meaning", "scores", "merge"] {
        assert_eq!(after[key], before[key], "{key}");
    }
}

#[test]
fn a_folder_of_an_older_program_is_read_resumed_and_analysed() {
    let place = Place::new();
    let folder = place.path("older");
    older_store(&folder);
    check(&Older { location: folder.to_str().unwrap().to_owned(), place, server: None, folder });
}

#[test]
fn a_bucket_of_an_older_program_is_read_resumed_and_analysed() {
    let place = Place::new();
    let server_folder = place.path("s3");
    let folder = server_folder.join("bucket/results");
    older_store(&folder);
    let runtime = runtime();
    let server = runtime.block_on(S3Server::start(&server_folder, HttpFaults::none())).unwrap();
    check(&Older { place, location: "s3://bucket/results".to_owned(), server: Some(server), folder });
}
