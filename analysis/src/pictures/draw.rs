mod canvas;
mod grids;
mod labels;
mod lines;
mod rows;
mod style;
mod ticks;

use super::{Picture, PictureData, PictureError};
use canvas::Canvas;
use kuva::{RasterBackend, backend::svg::SvgBackend, render::render::Scene};

/// Pixels of a PNG for each unit of the drawing: some 400 dots per inch in a column of a paper.
const PIXELS: f32 = 3.0;

impl Picture {
    /// The picture as SVG: black on white, readable in a column of a paper, with its caption below. Fonts are named, not
    /// embedded.
    pub fn svg(&self) -> String {
        SvgBackend::new().render_scene(&self.scene())
    }

    /// The picture as PNG, three pixels for each unit of the SVG. Its font comes with the program.
    ///
    /// # Errors
    /// The picture cannot be turned into pixels.
    pub fn png(&self) -> Result<Vec<u8>, PictureError> {
        let drawn = RasterBackend::new().with_scale(PIXELS).render_scene(&self.scene());
        drawn.map_err(|reason| PictureError::Draw { slug: self.slug.clone(), reason })
    }

    fn scene(&self) -> Scene {
        let title = self.title.as_str();
        let canvas: Canvas = match &self.data {
            PictureData::Curve { x, y, series } => lines::curve(title, x, y, series),
            PictureData::BestSoFar { x, y, points, best, .. } => lines::best_so_far(title, [x, y], points, best),
            PictureData::Scatter { x, y, points } => lines::scatter(title, x, y, points),
            PictureData::Pareto { x, y, points, front, .. } => lines::pareto(title, [x, y], points, front),
            PictureData::HeatMap { x, y, value, xs, ys, cells, best } => {
                grids::heat_map(title, [x, y, value], [xs, ys], cells, *best)
            }
            PictureData::Parallel { axes, lines, .. } => grids::parallel(title, axes, lines),
            PictureData::Dots { tasks, value, rows } => rows::dots(title, tasks, value, rows),
            PictureData::Importance { bars, .. } => rows::importance(title, bars),
            PictureData::TimeLine { x, workers, .. } => rows::time_line(title, x, workers),
        };
        canvas.finish(&self.caption)
    }
}
