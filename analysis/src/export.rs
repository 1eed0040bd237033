//! The runs of a sweep in the forms of experiment trackers: files that their own tools import, without a network.
//!
//! [`SweepRuns`] is the one view of a sweep that every target is made from. Each target has a module.

mod csv;
mod error;
mod folder;
mod hub;
mod mlflow;
mod runs;
mod time;
mod trackio;
mod wandb;

pub use error::ExportError;
pub use hub::{BenchmarkTask, EvalResults, HubDataset, HubModel, HubTask};
pub use runs::{Entry, Run, RunKind, RunState, SweepRuns, Value};

use std::{fs, path::Path};

/// A tool that imports the runs of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTarget {
    /// Weights & Biases: offline runs, for `wandb sync`.
    Wandb,
    /// MLflow: a folder of its file store.
    Mlflow,
    /// Trackio: lines of JSON, and a script that imports them.
    Trackio,
    /// One line for each run.
    Csv,
}

impl SweepRuns {
    /// Writes the runs into the new folder `out`: all of it or nothing.
    ///
    /// # Errors
    /// Something is at `out`, or the files cannot be written; nothing is left behind then.
    pub fn write(&self, target: ExportTarget, out: &Path) -> Result<(), ExportError> {
        folder::write_whole(out, |folder| match target {
            ExportTarget::Wandb => wandb::write(self, folder),
            ExportTarget::Mlflow => mlflow::write(self, folder, out),
            ExportTarget::Trackio => trackio::write(self, folder),
            ExportTarget::Csv => write_file(&folder.join("runs.csv"), csv::runs(self).as_bytes()),
        })
    }
}

/// A name that becomes that of a file. The results of an edited store may have any names.
fn folder_name<'a>(what: &'static str, name: &'a str) -> Result<&'a str, ExportError> {
    // Names of columns are those of a task behind a dot.
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_plain && !name.is_empty() && !name.starts_with('.') && name.len() <= 200 {
        Ok(name)
    } else {
        Err(ExportError::Name { what, name: name.to_owned() })
    }
}

/// Copies the files of a folder that is made into the new folder `out`: all of it or nothing.
///
/// # Errors
/// Something is at `out`, or the files cannot be written; nothing is left behind then.
pub fn write_folder(from: &Path, out: &Path) -> Result<(), ExportError> {
    folder::write_whole(out, |folder| folder::copy_all(from, folder))
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), ExportError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| ExportError::Write { path: parent.to_owned(), source })?;
    }
    fs::write(path, content).map_err(|source| ExportError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
