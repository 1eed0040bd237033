//! Results to tables and pictures.
//!
//! [`Results`] are what the store holds of a sweep's [`Outcome`](jobs::Outcome); [`Summary`] is what a person or a
//! script wants to know of them, with [`Summary::render`] for the former and serde for the latter; [`Frame`] is one
//! row per job, as CSV or parquet, for anything else; [`Picture`] is what one looks at, as SVG, PNG or data. Nothing that
//! is missing or corrupt is left out without a word.

mod frame;
mod pictures;
mod report;
mod results;
mod statistics;
mod summary;
mod tables;
#[cfg(test)]
mod testing;
mod wrap;

pub use frame::{Frame, FrameError, Sweep};
pub use pictures::{
    Axis, AxisScale, AxisUnit, Bar, CurvePoint, CurveSeries, Dot, DotRow, NamedPoint, ParallelAxis, ParallelLine,
    Picture, PictureData, PictureError, WorkerLine,
};
pub use report::{ProvenInput, Provenance, Report, RunRows};
pub use results::{Problem, Results};
pub use statistics::{
    Bootstrap, Difference, Feature, Importance, ImportanceError, McNemar, OverSeeds, PairedTask, Spread,
};
pub use summary::{Counts, Kind, SearchSummary, Spent, SplitSummary, Splits, Summary, SummaryRow, TaskSummary};
pub use tables::{Cell, Column, ColumnKind, Style, Table, TableRow};
