use crate::{
    args,
    clock::{date, now_ms, span},
    commands::run::SUMMARY,
    failure::Failure,
    remote::existing_store,
    terminal,
};
use analysis::fixed;
use coordinator::is_active;
use futures_util::{StreamExt, stream};
use jobs::{Manifest, Outcome, Progress};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Dated, Store, StoreError};

/// Sweeps that are read at the same time.
const CONCURRENT: usize = 16;

/// A sweep of a store, as `sweeps list --json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    sweep: String,
    /// The newest revision.
    revision: u32,
    /// Whether it is a single recipe that an older `bowline evaluate` kept as a sweep.
    is_evaluation: bool,
    /// `finished`, `finished with failures`, `running`, `cancelled`, how its last run ended, or that it is silent.
    state: String,
    /// The jobs that its last run found or made, including failures; `None` if no run has stored its progress for this
    /// revision.
    jobs: Option<u64>,
    /// The most that it may need.
    jobs_at_most: Option<u64>,
    /// When the revision began: milliseconds since 1970, UTC.
    begun_ms: Option<u64>,
    /// When a run of it last stored its progress.
    #[serde(rename = "heard_ms")]
    last_active_ms: Option<u64>,
    /// What it chose.
    chosen: Option<Chosen>,
    /// Why it cannot be read, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The row that a sweep chose.
#[derive(Debug, Serialize, PartialEq)]
struct Chosen {
    name: String,
    /// The objective's value on the selection split.
    value: Option<f64>,
}

/// Any document of a sweep, as far as its revision.
#[derive(Debug, Deserialize)]
struct OfRevision {
    #[serde(default = "first")]
    revision: u32,
}

fn first() -> u32 {
    1
}

/// `bowline sweeps list`
pub(super) async fn list(args: &args::SweepsList) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let sweeps = all(&store).await?;
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&sweeps).expect("a list is plain data"));
    } else if sweeps.is_empty() {
        terminal::data(format_args!("the store {} holds no sweep", store.place()));
    } else {
        aligned(&rows(&sweeps)).iter().for_each(terminal::data);
    }
    Ok(())
}

/// All sweeps of a store.
pub(crate) async fn all(store: &Store) -> Result<Vec<Listed>, Failure> {
    let look = |name: String| async move { listed(store, name).await };
    let mut found = stream::iter(store.sweeps().await?.into_iter().map(look)).buffered(CONCURRENT);
    let mut sweeps = Vec::new();
    while let Some(listed) = found.next().await {
        sweeps.push(listed?);
    }
    Ok(sweeps)
}

/// A sweep. Errors of what cannot be read are part of it.
pub(super) async fn listed(store: &Store, name: String) -> Result<Listed, Failure> {
    let mut listed = Listed {
        sweep: name.clone(),
        revision: store.newest_revision(&name).await?,
        is_evaluation: false,
        state: "cannot be read".to_owned(),
        jobs: None,
        jobs_at_most: None,
        begun_ms: None,
        last_active_ms: None,
        chosen: None,
        error: None,
    };
    match look_into(store, &mut listed).await {
        Err(error @ StoreError::Backend(_)) => Err(error.into()),
        Err(error) => Ok(Listed { error: Some(jobs::error_line(&error)), ..listed }),
        Ok(()) => Ok(listed),
    }
}

async fn look_into(store: &Store, listed: &mut Listed) -> Result<(), StoreError> {
    let name = listed.sweep.clone();
    let revision = listed.revision;
    if let Some(manifest) = store.manifest::<Manifest>(&name).await? {
        listed.begun_ms = manifest.begun_ms;
        listed.is_evaluation = manifest.is_evaluation();
    }
    // The progress of an earlier revision says nothing about this one.
    let progress = store.dated_document::<Progress>(&name, Progress::DOCUMENT).await?;
    let progress = progress.filter(|progress| progress.content.revision >= revision);
    if let Some(dated) = &progress {
        let progress = &dated.content;
        listed.jobs = Some(progress.run + progress.reused + progress.failed);
        listed.jobs_at_most = Some(progress.bound);
        listed.last_active_ms = Some(dated.written.map_or(progress.updated_ms, |written| written.at_ms));
    }
    let outcome = store.document::<OfRevision>(&name, Outcome::DOCUMENT).await?;
    let mark = store.cancellation(&name).await?;
    listed.state = if outcome.is_some_and(|outcome| outcome.revision >= revision) {
        let has_failures = progress.as_ref().is_some_and(|progress| progress.content.failed > 0);
        if has_failures { "finished with failures" } else { "finished" }.to_owned()
    } else if mark.is_some_and(|mark| mark.is_requested_for(revision)) {
        "cancelled".to_owned()
    } else {
        state_of(progress.as_ref(), now_ms())
    };
    let summary = store.document::<Value>(&name, SUMMARY).await?;
    listed.chosen = summary.and_then(|summary| chosen(&summary, revision));
    Ok(())
}

/// The state of a sweep that has not finished.
fn state_of(progress: Option<&Dated<Progress>>, now_ms: u64) -> String {
    let Some(dated) = progress else { return "not begun".to_owned() };
    if is_active(dated, now_ms) {
        return "running".to_owned();
    }
    match &dated.content.ended {
        // `status` reports in full how it failed.
        Some(ended) if ended.starts_with("stopped") => "stopped".to_owned(),
        Some(ended) => {
            let word = ["interrupted", "cancelled", "too many failures"].into_iter().find(|word| word == ended);
            word.unwrap_or("failed").to_owned()
        }
        None => format!("silent for {}", span(dated.age(dated.content.updated_ms, now_ms).as_secs_f64())),
    }
}

/// The choice in a summary of this revision.
fn chosen(summary: &Value, revision: u32) -> Option<Chosen> {
    if summary.get("revision").and_then(Value::as_u64).unwrap_or(1) != u64::from(revision) {
        return None;
    }
    // Documents of version 1 called it the best.
    let is_chosen = |row: &&Value| ["is_chosen", "is_best"].iter().any(|key| row.get(key) == Some(&Value::Bool(true)));
    let row = summary.get("rows")?.as_array()?.iter().find(is_chosen)?;
    Some(Chosen { name: row.get("name")?.as_str()?.to_owned(), value: row.get("value").and_then(Value::as_f64) })
}

/// A head and a line for each sweep.
pub(crate) fn rows(sweeps: &[Listed]) -> Vec<[String; 6]> {
    let head = ["sweep", "rev.", "state", "jobs", "last (UTC)", "chosen"].map(str::to_owned);
    let row = |listed: &Listed| {
        let jobs = listed.jobs.zip(listed.jobs_at_most);
        let last = listed.last_active_ms.or(listed.begun_ms);
        let chosen = listed.chosen.as_ref().map(|Chosen { name, value }| match value {
            Some(value) => format!("{name} {}", fixed(*value, 4)),
            None => name.clone(),
        });
        let kind = if listed.is_evaluation { ", an evaluation" } else { "" };
        [
            listed.sweep.clone(),
            listed.revision.to_string(),
            format!("{}{kind}", listed.state),
            jobs.map_or_else(|| "–".to_owned(), |(jobs, most)| format!("{jobs} of {most}")),
            last.map_or_else(|| "–".to_owned(), date),
            listed.error.clone().or(chosen).unwrap_or_else(|| "–".to_owned()),
        ]
        .map(|cell| jobs::escaped(&cell).into_owned())
    };
    std::iter::once(head).chain(sweeps.iter().map(row)).collect()
}

/// The rows, each in a line, their cells below each other.
pub(super) fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let line = |row: &[String; COLUMNS]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_summary_of_either_version_says_was_chosen_is_found_and_of_another_revision_nothing() {
        let of = |key: &str| json!({"rows": [{"name": "a", key: false}, {"name": "b", key: true, "value": 0.5}]});
        let chosen_b = Some(Chosen { name: "b".to_owned(), value: Some(0.5) });
        assert_eq!((chosen(&of("is_best"), 1), chosen(&of("is_best"), 2)), (chosen_b, None));
        let mut second = of("is_chosen");
        second["revision"] = 2.into();
        assert_eq!((chosen(&second, 1), chosen(&second, 2).unwrap().name), (None, "b".to_owned()));
    }

    #[test]
    fn a_list_fits_into_eighty_columns() {
        let listed = |sweep: &str, is_evaluation| Listed {
            sweep: sweep.to_owned(),
            revision: 12,
            is_evaluation,
            state: "finished".to_owned(),
            jobs: Some(38),
            jobs_at_most: Some(38),
            begun_ms: Some(0),
            last_active_ms: Some(1_795_975_512_345),
            chosen: Some(Chosen { name: "knots_ties".to_owned(), value: Some(0.737_46) }),
            error: None,
        };
        let lines = aligned(&rows(&[listed("mini8-knots-ties", false), listed("a", false)]));
        assert_eq!(lines[0], "sweep             rev.  state     jobs      last (UTC)        chosen");
        assert_eq!(lines[1], "mini8-knots-ties  12    finished  38 of 38  2026-11-29 18:05  knots_ties 0.7375");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
        assert!(aligned(&rows(&[listed("evaluate-f714f81f8e0e", true)]))[1].contains("finished, an evaluation"));
    }

    #[test]
    fn a_sweep_that_has_not_finished_says_how_it_stands() {
        let content: Progress = serde_json::from_value(json!({
            "version": 2, "bound": 1, "run": 0, "reused": 0, "failed": 0, "outstanding": 0, "started_ms": 0, "updated_ms": 0,
        }))
        .unwrap();
        let mut progress = Dated { content, written: None };
        assert_eq!([state_of(None, 0), state_of(Some(&progress), 1000)], ["not begun", "running"]);
        assert_eq!(state_of(Some(&progress), 300_000), "silent for 5 min 00 s");
        for (ended, word) in [("interrupted", "interrupted"), ("cannot use the store: permission denied", "failed")] {
            progress.content.ended = Some(ended.to_owned());
            assert_eq!(state_of(Some(&progress), 1000), word);
        }
    }
}
