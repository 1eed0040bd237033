//! The readers, each with its inputs.

mod adapters;
mod bases;
mod configs;
mod data;
mod documents;
mod examples;
mod models;
mod statistics;
mod sweeps;
mod tables;
mod texts;
mod tokenizers;

use crate::Target;
use std::{fs, path::Path};

pub(crate) fn all() -> Vec<Target> {
    [
        adapters::targets(),
        bases::targets(),
        configs::targets(),
        data::targets(),
        documents::targets(),
        models::targets(),
        statistics::targets(),
        sweeps::targets(),
        texts::targets(),
        tokenizers::targets(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes a file below `folder`.
fn put(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).expect("a temporary folder can be written to");
    }
    fs::write(path, content).expect("a temporary folder can be written to");
}

fn nothing(_: &Path) {}
