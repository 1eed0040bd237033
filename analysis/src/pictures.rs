mod best_so_far;
mod caption;
mod curve;
mod data;
mod draw;
mod heat_map;
mod importance;
mod parallel;
mod parameter;
mod pareto;
mod points;
mod table_rows;
#[cfg(test)]
mod tests;
mod time_line;

pub use data::{
    Axis, AxisScale, AxisUnit, Bar, CurvePoint, CurveSeries, Dot, DotRow, NamedPoint, ParallelAxis, ParallelLine,
    PictureData, WorkerLine,
};

use crate::{Frame, Summary, frame::aside};
use points::Points;
use polars::prelude::PolarsError;
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

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The results do not make what pictures need.
    #[error("cannot take pictures of sweep `{sweep}` from its results")]
    Take {
        /// The sweep.
        sweep: String,
        /// What polars says.
        source: PolarsError,
    },
    /// The picture cannot be turned into pixels.
    #[error("cannot draw the picture `{slug}`: {reason}")]
    Draw {
        /// The picture.
        slug: String,
        /// What the plotting library says.
        reason: String,
    },
}

impl Picture {
    /// The pictures of a sweep, in the order in which a reader wants them; those for which there is too little to see
    /// are left out.
    ///
    /// Accuracies and the validation against test are of the rows of `summary`; the others are of the jobs in `frame`
    /// that are of the same sweep. Of more points than a picture can show, it shows the best and a sample or takes
    /// values together, and its caption says so. Everything depends on the results alone: the same results make the same
    /// pictures.
    ///
    /// # Errors
    /// The columns of the frame cannot be worked with.
    pub fn all(frame: &Frame, summary: &Summary) -> Result<Vec<Self>, PictureError> {
        let mut pictures: Vec<Self> =
            [table_rows::dots(summary), table_rows::validation_and_test(summary)].into_iter().flatten().collect();
        if !frame.is_empty() {
            let of_jobs = aside(|| Self::of_jobs(frame, summary));
            pictures.extend(of_jobs.map_err(|source| PictureError::Take { sweep: summary.sweep.clone(), source })?);
        }
        Ok(pictures)
    }

    fn of_jobs(frame: &Frame, summary: &Summary) -> Result<Vec<Self>, PolarsError> {
        let points = Points::of(frame, summary)?;
        let mut pictures = Vec::new();
        if points.len() > 0 {
            let importance = importance::importance(&points)?;
            let shares = importance.iter().flat_map(|found| &found.shares);
            let ranking: Vec<String> = shares.map(|share| share.0.clone()).collect();
            pictures.extend(curve::pictures(&points, summary)?);
            pictures.extend(heat_map::picture(&points, &ranking, summary)?);
            pictures.extend(importance.and_then(|found| importance::picture(&found, &points, summary)));
            pictures.extend(parallel::picture(&points, &ranking, summary)?);
            pictures.extend(pareto::picture(&points, summary)?);
            pictures.extend(best_so_far::picture(&points, summary)?);
        }
        pictures.extend(time_line::picture(frame, summary)?);
        Ok(pictures)
    }
}

/// A name in lower case, with hyphens for whatever is no letter or digit.
fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}
