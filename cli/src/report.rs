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
    let sweep = &outcome.sweep;
    let failures = Failures::of_store(store).await?;
    let failed = failed::of_outcome(store, outcome, &failures).await?;
    let mut analysed = Analysed::new(frame, (outcome.clone(), None), results, &failed, TOP)?;
    let beside = beside(store, outcome).await;
    variants::add_to(&mut analysed, &beside);
    similarity::add(store, &mut analysed).await;
    // A sweep that went well does not fail for a chart.
    let mut charts = Chart::all(frame, &analysed.summary).unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
        Vec::new()
    });
    charts.extend(analysed.other_charts.iter().cloned());
    let page = page(store, frame, &analysed, &charts).await;
    store.put_artefact(sweep, NAME, page.into_bytes()).await?;
    terminal::note(format_args!("the report is {}/sweeps/{sweep}/{NAME}", store.place()));
    Ok(())
}

/// Writes the page of a finished sweep once more, since other variants of its file have finished meanwhile.
pub(crate) async fn keep_again(store: &Store, outcome: &Outcome) -> Result<(), Failure> {
    let results = Results::of(outcome, store).await;
    let frame = Frame::of_sweeps(store, &[Sweep::of(outcome)]).await?;
    keep(store, outcome, results, &frame).await
}

/// What the other variants of its file came to. A sweep that went well does not fail for another one.
async fn beside(store: &Store, outcome: &Outcome) -> Vec<Summary> {
    let outcomes = Sweeps::beside(store, outcome).await.unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", jobs::error_line(&error)));
        Vec::new()
    });
    let mut summaries = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        let results = Results::of(&outcome, store).await;
        summaries.push(Summary::build(&outcome, &results, None));
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
