//! MLflow's file store: an experiment for the sweep, and a folder with parameters, metrics and tags for each run.
//!
//! # Source
//! `mlflow/store/tracking/file_store.py` of MLflow 3. `scripts/check-exports` reads the folder with MLflow's own client.

use super::{Entry, ExportError, Run, RunState, SweepRuns, folder_name, write_file};
use serde::Serialize;
use std::path::Path;

/// `meta.yaml` of an experiment.
#[derive(Serialize)]
struct Experiment<'a> {
    artifact_location: &'a str,
    creation_time: u64,
    experiment_id: &'a str,
    last_update_time: u64,
    lifecycle_stage: &'static str,
    name: &'a str,
}

/// `meta.yaml` of a run.
#[derive(Serialize)]
struct RunMeta<'a> {
    artifact_uri: String,
    end_time: Option<u64>,
    entry_point_name: &'static str,
    experiment_id: &'a str,
    lifecycle_stage: &'static str,
    run_id: &'a str,
    run_name: &'a str,
    run_uuid: &'a str,
    source_name: &'static str,
    /// 4: a local program.
    source_type: u32,
    source_version: &'static str,
    /// MLflow refuses a run without.
    start_time: u64,
    status: u32,
    tags: [u8; 0],
    user_id: &'static str,
}

/// Where the experiment will lie, and its id.
struct Place {
    experiment: String,
    artifacts: String,
}

/// Writes `mlruns` into `folder`, which will be renamed to `out`: places of artifacts are absolute.
pub(super) fn write(runs: &SweepRuns, folder: &Path, out: &Path) -> Result<(), ExportError> {
    let experiment = experiment_id(runs);
    let absolute = std::path::absolute(out).map_err(|source| ExportError::Write { path: out.to_owned(), source })?;
    let artifacts = format!("file://{}/mlruns/{experiment}", encoded(&absolute));
    let place = Place { experiment, artifacts };
    let folder = folder.join("mlruns").join(&place.experiment);
    let times = runs.runs.iter().filter_map(|run| run.finished_ms);
    let meta = Experiment {
        artifact_location: &place.artifacts,
        creation_time: runs.runs.iter().filter_map(Run::started_ms).min().unwrap_or_default(),
        experiment_id: &place.experiment,
        last_update_time: times.max().unwrap_or_default(),
        lifecycle_stage: "active",
        name: folder_name("the sweep", &runs.sweep)?,
    };
    write_file(&folder.join("meta.yaml"), yaml(&meta).as_bytes())?;
    for run in &runs.runs {
        write_run(runs, run, &place, &folder)?;
    }
    Ok(())
}

fn write_run(runs: &SweepRuns, run: &Run, place: &Place, folder: &Path) -> Result<(), ExportError> {
    let id = runs.run_id(run);
    let name = run.name();
    let folder = folder.join(&id);
    let meta = RunMeta {
        artifact_uri: format!("{}/{id}/artifacts", place.artifacts),
        end_time: run.finished_ms,
        entry_point_name: "",
        experiment_id: &place.experiment,
        lifecycle_stage: "active",
        run_id: &id,
        run_name: &name,
        run_uuid: &id,
        source_name: "",
        source_type: 4,
        source_version: "",
        start_time: runs.start_ms(run),
        status: status(run.state),
        tags: [],
        user_id: "bowline",
    };
    write_file(&folder.join("meta.yaml"), yaml(&meta).as_bytes())?;
    for Entry { name, value } in &run.parameters {
        write_file(&folder.join("params").join(folder_name("a parameter", name)?), value.to_string().as_bytes())?;
    }
    let time = run.finished_ms.unwrap_or_default();
    for Entry { name, value } in &run.metrics {
        let line = format!("{time} {value} 0\n");
        write_file(&folder.join("metrics").join(folder_name("a metric", name)?), line.as_bytes())?;
    }
    let tags = folder.join("tags");
    write_file(&tags.join("mlflow.runName"), name.as_bytes())?;
    for Entry { name, value } in runs.labels(run).iter().chain(&run.facts) {
        write_file(&tags.join(format!("bowline.{}", folder_name("a fact", name)?)), value.to_string().as_bytes())?;
    }
    Ok(())
}

/// MLflow's number of a state: 3 finished, 4 failed, 5 killed. Trackers call a run that was raced out killed.
fn status(state: RunState) -> u32 {
    match state {
        RunState::Finished => 3,
        RunState::Failed | RunState::Missing => 4,
        RunState::Raced => 5,
    }
}

/// A number of 18 digits, as MLflow makes them, which is the same for every export of the sweep.
fn experiment_id(runs: &SweepRuns) -> String {
    let digest = jobs::Digest::of_json(&("bowline export", &runs.sweep));
    let bytes: [u8; 8] = std::array::from_fn(|place| digest.as_bytes()[place]);
    (u64::from_be_bytes(bytes) % 900_000_000_000_000_000 + 100_000_000_000_000_000).to_string()
}

/// JSON is YAML, and breaks no line wherever the folder lies.
fn yaml(meta: &impl Serialize) -> String {
    format!("{}\n", serde_json::to_string_pretty(meta).expect("numbers and texts under plain names"))
}

/// A path in a URL.
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
