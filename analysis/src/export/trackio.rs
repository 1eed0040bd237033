//! Trackio: the runs as lines of JSON, and a script that puts them into a project of Trackio.
//!
//! Trackio keeps projects in SQLite, in tables that change with its releases. The script calls the function that Trackio's
//! own importers call (`trackio/imports.py`), so that the installed release makes its own tables.
//! `scripts/check-exports` runs the script.

use super::{Entry, ExportError, Run, SweepRuns, folder_name, time::UtcTime, write_file};
use serde_json::{Map, json};
use std::path::Path;

const SCRIPT: &str = include_str!("trackio/import.py");

/// Writes `runs.jsonl` and `import.py` into `folder`.
pub(super) fn write(runs: &SweepRuns, folder: &Path) -> Result<(), ExportError> {
    folder_name("the sweep", &runs.sweep)?;
    let lines: String = runs.runs.iter().map(|run| format!("{}\n", line(runs, run))).collect();
    write_file(&folder.join("runs.jsonl"), lines.as_bytes())?;
    write_file(&folder.join("import.py"), SCRIPT.as_bytes())
}

/// A run as one JSON document.
fn line(runs: &SweepRuns, run: &Run) -> serde_json::Value {
    let mut config = object(&runs.labels(run));
    config.extend(object(&run.parameters));
    config.extend(object(&run.facts));
    json!({
        "project": runs.sweep,
        "run": run.name(),
        "run_id": runs.run_id(run),
        "timestamp": UtcTime::of_ms(runs.end_ms(run)).iso(),
        "config": config,
        "metrics": object(&run.metrics),
    })
}

fn object(entries: &[Entry]) -> Map<String, serde_json::Value> {
    entries.iter().map(|Entry { name, value }| (name.clone(), value.to_json())).collect()
}
