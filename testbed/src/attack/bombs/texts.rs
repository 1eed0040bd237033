//! Endless texts, and a tokenizer that multiplies them.

use super::{Bomb, changed};
use crate::{
    Failure,
    attack::{bench::CaseFolder, sweeps},
};
use serde_json::json;
use std::path::{Path, PathBuf};

pub(super) const BOMBS: [Bomb; 5] = [
    Bomb::new("one line of 350 MB", |case| texts(case, &"a ".repeat(175_000_000))),
    Bomb::new("one word of 10 MB", |case| texts(case, &"a".repeat(10_000_000))),
    Bomb::new("lines nested a million deep", |case| lines(case, &"[".repeat(1_000_000))),
    Bomb::new("a tokenizer that multiplies by 2^35", tokenizer),
    Bomb::new("heads of 2^63 + 16 numbers", heads),
];

/// A sweep over texts of which one is `text`.
fn texts(case: &CaseFolder<'_>, text: &str) -> Result<PathBuf, Failure> {
    lines(case, &format!("{{\"text\": \"{text}\", \"label\": 0}}"))
}

fn lines(case: &CaseFolder<'_>, line: &str) -> Result<PathBuf, Failure> {
    write(case, line)?;
    sweep(case, &case.example("nli6/base"))
}

/// The data set: sound lines around `line`.
fn write(case: &CaseFolder<'_>, line: &str) -> Result<(), Failure> {
    let sound = "{\"text\": \"Frank sold the violin.\", \"label\": 1}";
    for split in ["validation", "test"] {
        case.write(&format!("data/{split}.jsonl"), format!("{sound}\n{line}\n{sound}\n"))?;
    }
    Ok(())
}

fn sweep(case: &CaseFolder<'_>, base: &Path) -> Result<PathBuf, Failure> {
    let adapter = case.example("nli6/adapters/rte");
    let data = case.path("data");
    let adapter = adapter.display();
    let data = data.display();
    sweeps::one_task(case, base, &format!("adapter: {adapter}, data: {{source: {data}, text_columns: [text]}}"))
}

/// A size that overflows to a sound one when it is multiplied by the number of heads.
fn heads(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    write(case, "{\"text\": \"a plain sentence\", \"label\": 0}")?;
    let base = changed(case, "nli6/base", "config.json", |config| config["head_dim"] = json!((1_u64 << 63) + 16))?;
    sweep(case, &base)
}

/// A tokenizer whose normaliser replaces each `a` by 32 of them, seven times.
fn tokenizer(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    write(case, "{\"text\": \"a plain sentence\", \"label\": 0}")?;
    let base = changed(case, "nli6/base", "tokenizer.json", |tokenizer| {
        let replace = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "a".repeat(32)});
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": vec![replace; 7]});
    })?;
    sweep(case, &base)
}
