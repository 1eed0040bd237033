//! `bowline show`: what a job is, what it came to, and where it comes from.

mod lines;

use crate::{
    args,
    failure::{Failure, StoredFailure},
    local::runtime,
    remote::existing_store,
    terminal,
};
use jobs::{ArtefactResult, FailureRecord, JobId, JobResult, Outcome, RowKind};
use lines::Lines;
use serde::Serialize;
use std::collections::BTreeSet;
use store::Store;

/// What the store holds of a job, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    job: JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<JobResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artefact: Option<ArtefactResult>,
    /// Attempts that failed, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<FailureRecord>,
    /// The rows of finished sweeps that it belongs to.
    sweeps: Vec<Use>,
}

/// A place where a finished sweep has the job.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    sweep: String,
    /// The row of the sweep's table.
    row: String,
    /// `row`, `point` of the row's search, `seed` or `subset`.
    role: &'static str,
}

pub(crate) fn run(args: &args::Show) -> Result<(), Failure> {
    runtime()?.block_on(show(args))
}

async fn show(args: &args::Show) -> Result<(), Failure> {
    let store = existing_store(&args.store).await?;
    let job = the_job(&store, &args.job).await?;
    let shown = Shown {
        job,
        result: store.result(&job).await?,
        artefact: store.artefact_result(&job).await?,
        failures: failures(&store, &job).await?,
        sweeps: uses(&store, job).await?,
    };
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&shown).expect("a job is plain data"));
        return Ok(());
    }
    let mut lines = Lines::of(job);
    match (&shown.result, &shown.artefact, shown.failures.last()) {
        (Some(result), ..) => lines.result(result),
        (None, Some(artefact), _) => lines.artefact(artefact, &store.artefact_place(&job, &artefact.artefact)),
        (None, None, Some(failure)) => lines.unfinished(failure),
        (None, None, None) => {}
    }
    lines.failures(&shown.failures);
    lines.uses(shown.sweeps.iter().map(|of| format!("{} of `{}` in the sweep {}", of.role, of.row, of.sweep)));
    lines.into_lines().iter().for_each(terminal::data);
    Ok(())
}

/// The job of the store whose id begins so.
async fn the_job(store: &Store, text: &str) -> Result<JobId, Failure> {
    let text = text.trim().to_lowercase();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(StoredFailure::NoJobId { text }.into());
    }
    let mut known: BTreeSet<JobId> = store.jobs_with_results().await?.into_iter().collect();
    known.extend(store.jobs_with_artefacts().await?);
    known.extend(store.jobs_with_failures().await?);
    known.retain(|job| job.to_string().starts_with(&text));
    match known.first() {
        Some(job) if known.len() == 1 => Ok(*job),
        _ => Err(StoredFailure::WhichStoredJob { text, found: known.len(), store: store.place() }.into()),
    }
}

/// The attempts that failed. One that cannot be read is a warning.
async fn failures(store: &Store, job: &JobId) -> Result<Vec<FailureRecord>, Failure> {
    let mut failures = Vec::new();
    for record in store.failures(job).await? {
        match record {
            Ok(record) => failures.push(record),
            Err(error) => terminal::note(format_args!("warning: {}", jobs::error_line(&error))),
        }
    }
    Ok(failures)
}

/// Where finished sweeps have the job. One that cannot be read is a warning.
async fn uses(store: &Store, job: JobId) -> Result<Vec<Use>, Failure> {
    let mut uses = BTreeSet::new();
    for sweep in store.sweeps().await? {
        match store.document::<Outcome>(&sweep, Outcome::DOCUMENT).await {
            Ok(outcome) => uses.extend(outcome.iter().flat_map(|outcome| uses_in(outcome, job))),
            Err(error) => terminal::note(format_args!("warning: {}", jobs::error_line(&error))),
        }
    }
    Ok(uses.into_iter().collect())
}

fn uses_in(outcome: &Outcome, job: JobId) -> Vec<Use> {
    let mut uses = Vec::new();
    for row in &outcome.rows {
        let mut add = |is_there: bool, role: &'static str| {
            if is_there {
                uses.push(Use { sweep: outcome.sweep.clone(), row: row.name.clone(), role });
            }
        };
        add(row.jobs.values().flatten().any(|own| *own == job), "row");
        let is_point = match &row.kind {
            RowKind::Search { points, .. } => points.iter().any(|point| point.job == job),
            RowKind::ZeroShot
            | RowKind::Finetuned
            | RowKind::Baseline { .. }
            | RowKind::Learned { .. }
            | RowKind::Ensemble { .. } => false,
        };
        add(is_point, "point");
        add(row.replicates.iter().flat_map(|seeds| seeds.jobs()).any(|(_, own)| own == job), "seed");
        add(row.subsets.iter().any(|subset| subset.job == Some(job)), "subset");
    }
    uses
}
