//! Offline runs of Weights & Biases: a folder with a log of records for each run, which `wandb sync` uploads.
//!
//! # Source
//! `wandb/proto/wandb_internal.proto` for the records, `wandb/sdk/internal/datastore.py` for the log.
//! `scripts/check-exports` reads the logs with W&B's own code.

mod log;
mod message;

use super::{Entry, ExportError, Run, RunState, SweepRuns, Value, folder_name, time::UtcTime, write_file};
use log::Log;
use message::Message;
use std::path::Path;

/// The numbers of the fields of records.
mod field {
    pub(super) const NUMBER: u32 = 1;
    pub(super) const HISTORY: u32 = 2;
    pub(super) const SUMMARY: u32 = 3;
    pub(super) const RUN: u32 = 17;
    pub(super) const EXIT: u32 = 18;
    pub(super) const FOOTER: u32 = 22;
    pub(super) const HEADER: u32 = 21;
}

/// Writes `wandb/offline-run-…` for each run into `folder`.
pub(super) fn write(runs: &SweepRuns, folder: &Path) -> Result<(), ExportError> {
    folder_name("the sweep", &runs.sweep)?;
    for run in &runs.runs {
        let id = runs.run_id(run);
        let began = UtcTime::of_ms(runs.start_ms(run));
        let name = format!("offline-run-{}-{id}", began.compact());
        let log = log_of(runs, run, &id);
        write_file(&folder.join("wandb").join(name).join(format!("run-{id}.wandb")), &log)?;
    }
    Ok(())
}

/// The records of a run, in the order in which W&B writes them.
fn log_of(runs: &SweepRuns, run: &Run, id: &str) -> Vec<u8> {
    let mut records = Records::default();
    records.push(field::HEADER, &Message::default());
    records.push(field::RUN, &run_record(runs, run, id));
    let measured = measured(run);
    // A run that has no metrics has no step.
    if !run.metrics.is_empty() {
        let history = items(1, &measured).message(2, &Message::default().whole(1, 0));
        records.push(field::HISTORY, &history);
    }
    records.push(field::SUMMARY, &items(1, &measured));
    let exit_code = match run.state {
        RunState::Finished | RunState::Raced => 0,
        RunState::Failed | RunState::Missing => 1,
    };
    let seconds = run.seconds.unwrap_or_default().round() as u64;
    records.push(field::EXIT, &Message::default().whole(1, exit_code).whole(2, seconds));
    records.push(field::FOOTER, &Message::default());
    records.log.into_bytes()
}

/// A log whose records are numbered from 1 on.
#[derive(Debug, Default)]
struct Records {
    log: Log,
    number: u64,
}

impl Records {
    /// Adds a record of a kind, which is the number of its field.
    fn push(&mut self, kind: u32, record: &Message) {
        self.number += 1;
        let record = Message::default().whole(field::NUMBER, self.number).message(kind, record);
        self.log.push(&record.into_bytes());
    }
}

/// `RunRecord`: who the run is, with its configuration.
fn run_record(runs: &SweepRuns, run: &Run, id: &str) -> Message {
    let mut config = runs.labels(run);
    config.extend(run.parameters.iter().chain(&run.facts).cloned());
    let began = runs.start_ms(run);
    let start = Message::default().whole(1, began / 1000).whole(2, (began % 1000) * 1_000_000);
    let mut record = Message::default()
        .text(1, id)
        .text(3, &runs.sweep)
        .message(4, &items(1, &config))
        .text(6, run.row.as_deref().unwrap_or_default())
        .text(7, run.kind.name())
        .text(8, &run.name())
        .text(10, run.state.name());
    if let Some(split) = run.parameter("split") {
        record = record.text(10, &split);
    }
    if run.is_chosen {
        record = record.text(10, "chosen");
    }
    record.message(17, &start)
}

/// The metrics with what W&B shows beside them.
fn measured(run: &Run) -> Vec<Entry> {
    let mut measured = run.metrics.clone();
    let own = |name: &str, value| Entry { name: name.to_owned(), value };
    if let Some(finished) = run.finished_ms {
        measured.push(own("_timestamp", Value::Number(finished as f64 / 1000.0)));
    }
    if let Some(seconds) = run.seconds {
        measured.push(own("_runtime", Value::Number(seconds)));
    }
    if !run.metrics.is_empty() {
        measured.push(own("_step", Value::Whole(0)));
    }
    measured
}

/// A message with items at a field: a key, and the value as JSON.
fn items(field: u32, entries: &[Entry]) -> Message {
    let item = |message: Message, Entry { name, value }: &Entry| {
        message.message(field, &Message::default().text(1, name).text(16, &value.to_json().to_string()))
    };
    entries.iter().fold(Message::default(), item)
}
