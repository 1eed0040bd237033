//! Stored results that are edited to values that no evaluation gives.

use super::{
    Case,
    bench::{Bench, CaseFolder, copy_folder},
    ensure, sweeps,
};
use crate::Failure;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(super) const EDITED: Case = Case {
    name: "edited-results",
    about: "impossible numbers, tasks and scores in a losing result: named corrupt, in no table, repaired by --repair",
    run: |bench| {
        let edits = EDITS.map(|(name, edit)| {
            let edit = move |content: &[u8]| {
                let mut value: Value = serde_json::from_slice(content)?;
                edit(&mut value);
                Ok(serde_json::to_vec(&value)?)
            };
            (name, edit)
        });
        attack(bench, "edited-results", &edits)
    },
};

pub(super) const EMPTY: Case = Case {
    name: "broken-results",
    about: "results that are empty, truncated or no JSON: each fails one job and is repaired by --repair",
    run: |bench| attack(bench, "broken-results", &BREAKS),
};

type Edit = fn(&mut Value);
type Break = fn(&[u8]) -> Result<Vec<u8>, Failure>;

const EDITS: [(&str, Edit); 11] = [
    ("ten times as many right answers as examples", |value| score(value, |n| (n, n * 10))),
    ("one example, and it is right", |value| score(value, |_| (1, 1))),
    ("2^64 - 1 examples, all right", |value| score(value, |_| (u64::MAX, u64::MAX))),
    ("no examples", |value| score(value, |_| (0, 0))),
    ("twice as many examples", |value| score(value, |n| (2 * n, 2 * n))),
    ("one of two tasks missing", |value| drop(value["scores"].as_array_mut().and_then(Vec::pop))),
    ("one task fifty times", |value| {
        let first = value["scores"][0].clone();
        value["scores"] = Value::Array(vec![first; 50]);
    }),
    ("a task renamed", |value| value["scores"][0]["task"] = json!("icons")),
    ("no scores", |value| value["scores"] = json!([])),
    ("a time of -1 s", |value| value["timings"]["merge_s"] = json!(-1)),
    ("another job's meaning", |value| value["meaning"]["split"] = json!("test")),
];

const BREAKS: [(&str, Break); 6] = [
    ("empty", |_| Ok(Vec::new())),
    ("cut short", |content| Ok(content[..content.len() / 2].to_vec())),
    ("binary", |_| Ok(b"\0\xff\xfe".to_vec())),
    ("null", |_| Ok(b"null".to_vec())),
    ("a list", |_| Ok(b"[]".to_vec())),
    ("deeply nested", |_| Ok("[".repeat(100_000).into_bytes())),
];

/// Another number of examples and of right answers, without the bitmap, which would contradict them.
fn score(value: &mut Value, numbers: impl Fn(u64) -> (u64, u64)) {
    let (n, correct) = numbers(value["scores"][0]["n"].as_u64().unwrap_or(1));
    value["scores"][0]["n"] = json!(n);
    value["scores"][0]["correct"] = json!(correct);
    if let Some(score) = value["scores"][0].as_object_mut() {
        score.remove("right");
    }
}

/// Runs a sweep, and for each edit once more over a copy of its store with one losing result changed.
fn attack<E>(bench: &Bench, name: &str, edits: &[(&str, E)]) -> Result<String, Failure>
where
    E: Fn(&[u8]) -> Result<Vec<u8>, Failure>,
{
    let case = bench.case_folder(name)?;
    let sweep = sweeps::images(&case, "small", 10)?;
    let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
    case.run(&["run", sweep, "--store", "sound"])?.ends_with(&[0])?;
    let sound = case.path("sound");
    let loser = loser(&sound)?;
    let mut faults = Vec::new();
    for (edit, change) in edits {
        if let Err(fault) = one(&case, sweep, &loser, change) {
            faults.push(format!("{edit}: {fault}"));
        }
    }
    ensure(faults.is_empty(), || format!("{} of {} edits: {}", faults.len(), edits.len(), faults.join("\n  ")))?;
    Ok(format!("{} edits, each named, out of the tables, and repaired to the same table", edits.len()))
}

fn one(
    case: &CaseFolder<'_>,
    sweep: &str,
    loser: &Path,
    change: &impl Fn(&[u8]) -> Result<Vec<u8>, Failure>,
) -> Result<(), Failure> {
    let sound = case.path("sound");
    let store = case.path("edited");
    if store.exists() {
        fs::remove_dir_all(&store)?;
    }
    copy_folder(&sound, &store)?;
    sweeps::remove_parts(&store, "small")?;
    let edited = store.join(loser);
    let content = fs::read(&edited)?;
    fs::write(&edited, change(&content)?)?;
    let job = loser.file_stem().unwrap_or_default().to_string_lossy().into_owned();

    let ran = case.run(&["run", sweep, "--store", "edited"])?;
    ran.ends_with(&[3])?.says(&["corrupt", "--repair", &job[..12]])?;
    let impossible = ["1000.0", "NaN", "18446744073709551"];
    ensure(!impossible.iter().any(|word| ran.stdout.contains(word)), || format!("the table holds it: {}", ran.stdout))?;
    case.run(&["run", sweep, "--store", "edited", "--repair"])?.ends_with(&[0])?;
    let is_same = sweeps::scores(&store)? == sweeps::scores(&sound)?
        && sweeps::outcome(&store, "small")? == sweeps::outcome(&sound, "small")?;
    ensure(is_same, || "repaired, the store holds other results".to_owned())?;
    ensure(store.join("set-aside").join(job).exists(), || "what lay there was not set aside".to_owned())
}

/// The result of a point on the selection split that does not win, as a path in the store.
fn loser(store: &Path) -> Result<PathBuf, Failure> {
    let mut worst: Option<(u64, PathBuf)> = None;
    for path in sweeps::result_files(store)? {
        let value: Value = serde_json::from_slice(&fs::read(&path)?)?;
        if value["meaning"]["split"] == "validation" && value["meaning"]["subject"].get("merge").is_some() {
            let scores = value["scores"].as_array().into_iter().flatten();
            let right = scores.filter_map(|score| score["correct"].as_u64()).sum();
            if worst.as_ref().is_none_or(|(fewest, _)| right < *fewest) {
                worst = Some((right, path.strip_prefix(store)?.to_owned()));
            }
        }
    }
    Ok(worst.ok_or("the store holds no merge")?.1)
}
