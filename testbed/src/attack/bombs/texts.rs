//! Texts without an end, and a tokenizer that multiplies them.

use super::{Bomb, changed};
use crate::{
    Failure,
    attack::{bench::Place, sweeps},
};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) const BOMBS: [Bomb; 4] = [
    Bomb { name: "one line of 350 MB", make: |place| texts(place, &"a ".repeat(175_000_000)) },
    Bomb { name: "one word of 10 MB", make: |place| texts(place, &"a".repeat(10_000_000)) },
    Bomb { name: "lines nested a million deep", make: |place| lines(place, &"[".repeat(1_000_000)) },
    Bomb { name: "a tokenizer that multiplies by 2^35", make: tokenizer },
];

/// A sweep over texts of which one is `text`.
fn texts(place: &Place<'_>, text: &str) -> Result<PathBuf, Failure> {
    lines(place, &format!("{{\"text\": \"{text}\", \"label\": 0}}"))
}

fn lines(place: &Place<'_>, line: &str) -> Result<PathBuf, Failure> {
    write(place, line)?;
    sweep(place, &place.example("nli6/base"))
}

/// The data set: sound lines around `line`.
fn write(place: &Place<'_>, line: &str) -> Result<(), Failure> {
    let sound = "{\"text\": \"Frank sold the violin.\", \"label\": 1}";
    for split in ["validation", "test"] {
        place.write(&format!("data/{split}.jsonl"), format!("{sound}\n{line}\n{sound}\n"))?;
    }
    Ok(())
}

fn sweep(place: &Place<'_>, base: &Path) -> Result<PathBuf, Failure> {
    let (adapter, data) = (place.example("nli6/adapters/rte"), place.path("data"));
    let (adapter, data) = (adapter.display(), data.display());
    sweeps::one_task(place, base, &format!("adapter: {adapter}, data: {{source: {data}, text_columns: [text]}}"))
}

/// A tokenizer whose normaliser replaces each `a` by 32 of them, seven times.
fn tokenizer(place: &Place<'_>) -> Result<PathBuf, Failure> {
    write(place, "{\"text\": \"a plain sentence\", \"label\": 0}")?;
    let base = changed(place, "nli6/base", "tokenizer.json", |tokenizer| {
        let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(32)});
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": vec![replace; 7]});
    })?;
    sweep(place, &base)
}
