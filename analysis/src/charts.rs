mod best_so_far;
mod caption;
mod columns;
mod curve;
mod data;
mod draw;
mod heat_map;
mod importance;
mod learning;
mod parallel;
mod parameter;
mod pareto;
mod points;
mod similarity;
mod subsets;
mod table_rows;
#[cfg(test)]
mod tests;
mod time_line;
mod variants;

pub use data::{
    Axis, AxisScale, AxisUnit, Bar, ChartData, CurvePoint, CurveSeries, Dot, DotRow, NamedPoint, ParallelAxis,
    ParallelLine, WorkerLine,
};

pub(crate) use similarity::note as similarity_note;

use crate::{Frame, Summary, frame::aside};
use points::Points;
use polars::prelude::PolarsError;
use serde::Serialize;

/// A chart of a sweep with its title and caption.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// A name for files and links: lower-case words with hyphens.
    pub slug: String,
    /// The title.
    pub title: String,
    /// The caption: units, numbers of points and examples, the meaning of bands, what was left out.
    pub caption: String,
    /// What it shows.
    pub data: ChartData,
}

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The results cannot be prepared for charts.
    #[error("cannot prepare the charts of sweep `{sweep}` from its results")]
    Take {
        /// The sweep.
        sweep: String,
        /// The error of polars.
        source: PolarsError,
    },
    /// The chart cannot be turned into pixels.
    #[error("cannot draw the chart `{slug}`: {reason}")]
    Draw {
        /// The chart.
        slug: String,
        /// The error of the plotting library.
        reason: String,
    },
}

impl Chart {
    /// The charts of a sweep, in the order in which a reader wants them; those for which there is too little to see
    /// are left out.
    ///
    /// Accuracies and the validation against test are of the rows of `summary`; the others are of the jobs in `frame`
    /// that are of the same sweep. Of more points than a chart can show, it shows the best and a sample or takes values
    /// together, and its caption says so. Everything depends on the results alone: the same results make the same
    /// charts.
    ///
    /// # Errors
    /// The columns of the frame cannot be worked with.
    pub fn all(frame: &Frame, summary: &Summary) -> Result<Vec<Self>, ChartError> {
        let mut charts: Vec<Self> =
            [table_rows::dots(summary), table_rows::validation_and_test(summary), subsets::chart(summary)]
                .into_iter()
                .flatten()
                .collect();
        if !frame.is_empty() {
            let of_jobs = aside(|| Self::of_jobs(frame, summary));
            charts.extend(of_jobs.map_err(|source| ChartError::Take { sweep: summary.sweep.clone(), source })?);
        }
        Ok(charts)
    }

    fn of_jobs(frame: &Frame, summary: &Summary) -> Result<Vec<Self>, PolarsError> {
        let points = Points::of(frame, summary)?;
        let mut charts = Vec::new();
        if points.len() > 0 {
            let importance = importance::importance(&points)?;
            let shares = importance.iter().flat_map(|found| &found.shares);
            let ranking: Vec<String> = shares.map(|share| share.0.clone()).collect();
            charts.extend(curve::charts(&points, summary)?);
            charts.extend(heat_map::chart(&points, &ranking, summary)?);
            charts.extend(importance.and_then(|found| importance::chart(&found, &points, summary)));
            charts.extend(parallel::chart(&points, &ranking, summary)?);
            charts.extend(pareto::chart(&points, summary)?);
            charts.extend(best_so_far::chart(&points, summary)?);
        }
        charts.extend(time_line::chart(frame, summary)?);
        Ok(charts)
    }
}

/// A name in lower case, with hyphens for whatever is no letter or digit.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}
