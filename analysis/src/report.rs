mod headline;
mod notices;
mod page;
mod provenance;
mod runs;
#[cfg(test)]
mod tests;

pub use provenance::{ProvenInput, Provenance};
pub use runs::RunRows;

use crate::{Chart, Summary, Table, metric::in_words};
use headline::Headline;
use notices::Notice;
use serde::Serialize;

/// What `report.html` shows of one sweep.
///
/// # Examples
/// ```no_run
/// # fn write(manifest: &jobs::Manifest, frame: &analysis::Frame, summary: &analysis::Summary) -> std::io::Result<()> {
/// use analysis::{Provenance, Report, RunRows, Table};
///
/// let report = Report {
///     summary,
///     tables: &[Table::accuracy(summary, &summary.splits.report)],
///     charts: &[],
///     rows: RunRows::of(frame, summary, &[]),
///     provenance: Provenance::of(Some(manifest), frame, summary),
/// };
/// std::fs::write("report.html", report.html())
/// # }
/// ```
#[derive(Debug)]
pub struct Report<'a> {
    /// What the sweep came to.
    pub summary: &'a Summary,
    /// The tables, in the order in which they are shown.
    pub tables: &'a [Table],
    /// The charts, in the order in which they are shown.
    pub charts: &'a [Chart],
    /// The jobs of the table of runs.
    pub rows: RunRows,
    /// Where the numbers come from.
    pub provenance: Provenance,
}

/// The data of the page.
#[derive(Debug, Serialize)]
struct Document<'a> {
    sweep: &'a str,
    subtitle: String,
    program: &'static str,
    headline: Option<Headline<'a>>,
    notices: Vec<Notice>,
    charts: &'a [Chart],
    tables: &'a [Table],
    runs: &'a RunRows,
    provenance: &'a Provenance,
}

impl Report<'_> {
    /// The page, whole: it needs no other file and no network, and opens from a folder or from a bucket.
    ///
    /// It takes some 700 kB, and a megabyte more where a sweep has thousands of jobs.
    pub fn html(&self) -> String {
        let Self { summary, tables, charts, rows, provenance } = self;
        let document = Document {
            sweep: &summary.sweep,
            subtitle: subtitle(summary),
            program: env!("CARGO_PKG_VERSION"),
            headline: Headline::of(summary),
            notices: notices::of(summary),
            charts,
            tables,
            runs: rows,
            provenance,
        };
        let data = serde_json::to_string(&document).expect("a report is plain data with texts as keys");
        page::fill(&summary.sweep, &data)
    }
}

fn subtitle(summary: &Summary) -> String {
    let tasks = summary.tasks.len();
    let s = if tasks == 1 { "" } else { "s" };
    let metric = in_words(&summary.objective.metric);
    let revision = if summary.revision > 1 { format!(" · revision {}", summary.revision) } else { String::new() };
    format!(
        "{tasks} task{s} · searched by {metric} on {}, reported on {}{revision}",
        summary.splits.select, summary.splits.report
    )
}
