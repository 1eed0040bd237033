//! Results to tables and charts.
//!
//! [`Results`] are what the store holds of a sweep's [`Outcome`](jobs::Outcome); [`Summary`] is what a person or a
//! script wants to know of them, with [`Summary::render`] for the former and serde for the latter; [`Frame`] is one row
//! per job, to be queried with polars or written as CSV or parquet; [`Tables`] are all tables of a sweep,
//! [`Comparison`] those of two, and [`Variants`] the table and the chart over the variants of a sweep file; [`Chart`] is
//! a drawing of results, as SVG, PNG or data; [`Report`] is all of it as one page, and [`Overview`] that of several
//! sweeps. Every missing or corrupt result is reported.
//!
//! `examples/analysis.rs` opens a store, asks a question and prints a table for a paper.

#![warn(clippy::match_bool)]

mod charts;
mod columns;
mod export;
mod failures;
mod frame;
mod metric;
mod number;
mod overview;
mod report;
mod results;
mod statistics;
mod summary;
mod sweeps;
mod tables;
#[cfg(test)]
mod testing;
mod variants;
mod wrap;

pub use charts::{
    Axis, AxisScale, AxisUnit, Bar, Chart, ChartData, ChartError, CurvePoint, CurveSeries, Dot, DotRow, NamedPoint,
    ParallelAxis, ParallelLine, WorkerLine,
};
pub use export::{
    BenchmarkTask, Entry, EvalResults, ExportError, ExportTarget, HubDataset, HubModel, HubTask, Run, RunKind,
    RunState, SweepRuns, Value, write_folder,
};
pub use failures::Failures;
pub use frame::{Frame, FrameError, Sweep};
pub use number::fixed;
pub use overview::{Overview, OverviewSweep};
/// The polars that frames are made with: queries take expressions of the same version.
pub use polars;
pub use report::{ProvenInput, Provenance, Report, RunRows};
pub use results::{Problem, Results, SliceCost};
pub use statistics::{
    Bootstrap, Difference, Feature, Importance, ImportanceError, McNemar, PairedTask, WeightedTask, holm,
    stratified_mid_p,
};
pub use summary::{
    Better, Counts, Figure, Kind, PublishedSummary, RacedPoint, ReferenceSummary, ReplicatesSummary, SearchSummary,
    SeedSpread, SoFar, Spent, SplitSummary, Splits, Spread, SubsetSize, Summary, SummaryRow, TaskSummary,
};
pub use sweeps::Sweeps;
pub use tables::{Cell, Column, ColumnKind, Comparison, Side, Style, Table, TableRow, Tables, escaped_html};
pub use variants::Variants;
pub use wrap::WIDTH;
