mod data;

pub use data::{
    Axis, AxisScale, AxisUnit, Bar, CurvePoint, CurveSeries, Dot, DotRow, NamedPoint, ParallelAxis, ParallelLine,
    PictureData, WorkerLine,
};

use serde::Serialize;

/// A picture of a sweep: what it shows, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Picture {
    /// A name for files and links: lower-case words with hyphens.
    pub slug: String,
    /// The title.
    pub title: String,
    /// What is seen: units, numbers of points and examples, what bands are, what was left out.
    pub caption: String,
    /// What it shows.
    pub data: PictureData,
}
