//! The page of a finished sweep.

use crate::{analysed::Analysed, failed, failure::Failure, similarity, terminal, variants};
use analysis::{Chart, Failures, Frame, Provenance, Report, Results, RunRows, Summary, Sweep, Sweeps};
use jobs::{Manifest, Outcome};
use store::{Revision, Store};

/// The page of a sweep, which is read in a browser.
pub(crate) const NAME: &str = "report.html";

/// How many of the best merges the page's table has.
const TOP: u32 = 10;

/// Writes the page of a sweep into the store, in place of an older one, and says where it is.
///
/// `frame` holds its jobs.
pub(crate) async fn keep(store: &Store, outcome: &Outcome, results: Results, frame: &Frame) -> Result<(), Failure> {
    let beside = Sweeps::beside(store, outcome).await.unwrap_or_else(|error| {
        // A sweep that went well does not fail for another one.
        terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
        Vec::new()
    });
    let beside = summaries(store, &beside).await;
    write(store, Finished { outcome, results, frame }, &beside).await?;
    terminal::note(format_args!("the report is {}/sweeps/{}/{NAME}", store.place(), outcome.sweep));
    Ok(())
}

/// A sweep that has finished, with its jobs in `frame`.
struct Finished<'a> {
    outcome: &'a Outcome,
    results: Results,
    frame: &'a Frame,
}

async fn write(store: &Store, sweep: Finished<'_>, beside: &[Summary]) -> Result<(), Failure> {
    let Finished { outcome, results, frame } = sweep;
    let failures = Failures::of_store(store).await?;
    let failed = failed::of_outcome(store, outcome, &failures).await?;
    let mut analysed = Analysed::new(frame, (outcome.clone(), None), results, &failed, TOP)?;
    variants::add_to(&mut analysed, beside);
    similarity::add(store, &mut analysed).await;
    // A sweep that went well does not fail for a chart.
    let mut charts = Chart::all(frame, &analysed.summary).unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
        Vec::new()
    });
    charts.extend(analysed.other_charts.iter().cloned());
    let page = page(store, frame, &analysed, &charts).await;
    store.put_artefact(&outcome.sweep, NAME, page.into_bytes()).await?;
    Ok(())
}

/// Writes the pages of the other variants of a sweep's file once more, since this sweep has finished meanwhile. What goes
/// wrong is a warning: the sweep itself went well.
pub(crate) async fn renew_beside(store: &Store, sweep: &str) {
    if let Err(failure) = renewed(store, sweep).await {
        let why = jobs::error_line(&failure);
        terminal::note(format_args!("warning: the reports of other variants are not written again: {why}"));
    }
}

async fn renewed(store: &Store, sweep: &str) -> Result<(), Failure> {
    let Some(own) = store.document::<Outcome>(sweep, Outcome::DOCUMENT).await? else { return Ok(()) };
    let others = Sweeps::beside(store, &own).await?;
    if others.is_empty() {
        return Ok(());
    }
    let mut all = summaries(store, &others).await;
    all.extend(summaries(store, &[own]).await);
    for outcome in &others {
        let results = Results::of(outcome, store).await;
        let frame = Frame::of_sweeps(store, &[Sweep::of(outcome)]).await?;
        write(store, Finished { outcome, results, frame: &frame }, &all).await?;
    }
    Ok(())
}

/// What sweeps came to, without their seconds.
async fn summaries(store: &Store, outcomes: &[Outcome]) -> Vec<Summary> {
    let mut summaries = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let results = Results::of(outcome, store).await;
        summaries.push(Summary::build(outcome, &results, None));
    }
    summaries
}

/// The page of a sweep, whose jobs are in `frame`.
pub(crate) async fn page(store: &Store, frame: &Frame, sweep: &Analysed, charts: &[Chart]) -> String {
    let Analysed { summary, tables, .. } = sweep;
    // Numbers are shown even if their origin is not known.
    let revision = Revision::of(&summary.sweep, summary.revision);
    let manifest: Option<Manifest> = store.revision(revision).await.unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
        None
    });
    let rows = RunRows::of(frame, summary, charts);
    let provenance = Provenance::of(manifest.as_ref(), frame, summary);
    Report { summary, tables, charts, rows, provenance }.html()
}
