//! The page of a finished sweep.

use crate::{failure::Failure, terminal};
use analysis::{Frame, Picture, Provenance, Report, RunRows, Summary, Sweep, Table};
use jobs::{Manifest, Outcome};
use std::{fs, path::Path};
use store::Store;

/// The document of a sweep that is read in a browser.
const REPORT: &str = "report.html";

/// Writes the page of a sweep into the store, in place of an older one, and says where it is.
pub(crate) async fn keep(store: &Store, outcome: &Outcome, summary: &Summary) -> Result<(), Failure> {
    let sweep = &outcome.sweep;
    let frame = Frame::of_sweeps(store, &[Sweep { name: sweep, outcome: Some(outcome) }]).await?;
    store.put_artefact(sweep, REPORT, html(store, &frame, summary).await.into_bytes()).await?;
    terminal::note(format_args!("the report is {}/sweeps/{sweep}/{REPORT}", store.place()));
    Ok(())
}

/// Writes the pages of sweeps into folders of their names.
pub(crate) async fn write(store: &Store, frame: &Frame, summaries: &[Summary], folder: &Path) -> Result<(), Failure> {
    for summary in summaries {
        let folder = folder.join(&summary.sweep);
        let path = folder.join(REPORT);
        let html = html(store, frame, summary).await;
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&path, html));
        written.map_err(|source| Failure::Write { path: path.clone(), source })?;
        terminal::note(format_args!("wrote {}", path.display()));
    }
    Ok(())
}

async fn html(store: &Store, frame: &Frame, summary: &Summary) -> String {
    // Numbers are shown all the same where nobody can say where they come from.
    let manifest: Option<Manifest> = store.manifest(&summary.sweep).await.unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", terminal::in_one_line(&error)));
        None
    });
    // Nor is a picture worth more than the rest of the page.
    let pictures = Picture::all(frame, summary).unwrap_or_else(|error| {
        terminal::note(format_args!("warning: {}", terminal::in_one_line(&error)));
        Vec::new()
    });
    let report = Report {
        summary,
        tables: &tables(summary),
        pictures: &pictures,
        rows: RunRows::of(frame, summary, &pictures),
        provenance: Provenance::of(manifest.as_ref(), frame, summary),
    };
    report.html()
}

fn tables(summary: &Summary) -> Vec<Table> {
    let splits = [&summary.splits.report, &summary.splits.select];
    let of_split = |split| [Some(Table::accuracy(summary, split)), Table::hits(summary, split)];
    splits.into_iter().flat_map(|split| of_split(split)).flatten().collect()
}
