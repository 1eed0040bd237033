mod canvas;
mod grids;
mod labels;
mod lines;
mod rows;
mod style;
mod ticks;

use super::{Chart, ChartData, ChartError};
use canvas::Canvas;
use kuva::{RasterBackend, backend::svg::SvgBackend, render::render::Scene};

/// Pixels of a PNG for each unit of the drawing: some 400 dots per inch in a column of a paper.
const PIXELS: f32 = 3.0;

impl Chart {
    /// The chart as SVG: black on white, readable in a column of a paper, with its caption below. Fonts are named, not
    /// embedded.
    pub fn svg(&self) -> String {
        SvgBackend::new().render_scene(&self.scene())
    }

    /// The chart as PNG, three pixels for each unit of the SVG. Its font comes with the program.
    ///
    /// # Errors
    /// The chart cannot be turned into pixels.
    pub fn png(&self) -> Result<Vec<u8>, ChartError> {
        let drawn = RasterBackend::new().with_scale(PIXELS).render_scene(&self.scene());
        drawn.map_err(|reason| ChartError::Draw { slug: self.slug.clone(), reason })
    }

    fn scene(&self) -> Scene {
        let title = self.title.as_str();
        let canvas: Canvas = match &self.data {
            ChartData::Curve { x, y, series } => lines::curve(title, x, y, series),
            ChartData::BestSoFar { x, y, points, best, .. } => lines::best_so_far(title, [x, y], points, best),
            ChartData::Scatter { x, y, points } => lines::scatter(title, x, y, points),
            ChartData::Pareto { x, y, points, front, .. } => lines::pareto(title, [x, y], points, front),
            ChartData::HeatMap { x, y, value, xs, ys, cells, best } => {
                grids::heat_map(title, [x, y, value], [xs, ys], cells, *best)
            }
            ChartData::TaskPairs { tasks, columns, rows, value, cells } => {
                grids::task_pairs(title, [columns, rows], tasks, value, cells)
            }
            ChartData::Parallel { axes, lines, .. } => grids::parallel(title, axes, lines),
            ChartData::Dots { tasks, value, rows } => rows::dots(title, tasks, value, rows),
            ChartData::Importance { bars, .. } => rows::importance(title, bars),
            ChartData::TimeLine { x, workers, .. } => rows::time_line(title, x, workers),
        };
        canvas.finish(&self.caption)
    }
}
