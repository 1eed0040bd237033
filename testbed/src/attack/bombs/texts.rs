//! Texts without an end, and a tokenizer that multiplies them.

use super::{Bomb, changed};
use crate::{
    Failure,
    attack::{bench::Place, sweeps},
};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) const BOMBS: [Bomb; 5] = [
    Bomb::new("one line of 350 MB", |place| texts(place, &"a ".repeat(175_000_000))),
    Bomb::new("one word of 10 MB", |place| texts(place, &"a".repeat(10_000_000))),
    Bomb::new("lines nested a million deep", |place| lines(place, &"[".repeat(1_000_000))),
    Bomb::new("a tokenizer that multiplies by 2^35", tokenizer),
    Bomb::new("heads of 2^63 + 16 numbers", heads),
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
    let adapter = place.example("nli6/adapters/rte");
    let data = place.path("data");
    let adapter = adapter.display();
    let data = data.display();
    sweeps::one_task(place, base, &format!("adapter: {adapter}, data: {{source: {data}, text_columns: [text]}}"))
}

/// A size that wraps to a sound one where it is multiplied by the number of heads.
fn heads(place: &Place<'_>) -> Result<PathBuf, Failure> {
    write(place, "{\"text\": \"a plain sentence\", \"label\": 0}")?;
    let base = changed(place, "nli6/base", "config.json", |config| config["head_dim"] = json!((1_u64 << 63) + 16))?;
    sweep(place, &base)
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
