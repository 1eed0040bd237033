mod legend;

use super::{
    super::{Axis, AxisScale, AxisUnit},
    style::{BLACK, Form, LIGHT, Look, cut, ticks, titled},
    ticks::step,
};
use kuva::render::{
    axis::{add_axes_and_grid, add_labels_and_title},
    color::Color,
    layout::{AxisLabelOverlap, ComputedLayout, Layout},
    render::{PathData, Primitive, Scene, TextAnchor},
    render_utils::wrap_text,
};
use legend::Named;

/// The width of a chart: in a column of a paper its text is some 7 points high.
pub(super) const WIDTH: f64 = 480.0;
pub(super) const HEIGHT: f64 = 330.0;
/// The most ticks of an axis, but for one.
pub(super) const TICKS: usize = 6;
const TITLE: u32 = 15;
const LABEL: u32 = 13;
pub(super) const TICK: u32 = 12;
const SMALL: u32 = 11;
/// The width that a character of a text takes at most on average, over the size of the font.
const CHARACTER: f64 = 0.6;

/// A drawing with axes, to which marks are added.
pub(super) struct Canvas {
    scene: Scene,
    layout: Layout,
    computed: ComputedLayout,
    legend: Vec<Named>,
}

/// The range of values with a margin, which is proportional on a logarithmic axis.
pub(super) fn room(values: impl Iterator<Item = f64>, scale: AxisScale) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    if scale == AxisScale::Log && low > 0.0 {
        let margin = (high / low).powf(0.05).max(1.05);
        return (low / margin, high * margin);
    }
    let margin = if high > low { (high - low) * 0.05 } else { low.abs().max(0.1) * 0.05 };
    (low - margin, high + margin)
}

/// An axis and the range of values that it shows.
pub(super) struct Ranged<'a> {
    pub(super) axis: &'a Axis,
    pub(super) range: (f64, f64),
}

/// A layout with these axes. The ranges are not widened.
pub(super) fn layout(title: &str, x: Ranged<'_>, y: Ranged<'_>) -> Layout {
    let Ranged { axis: x, range: x_room } = x;
    let Ranged { axis: y, range: y_room } = y;
    let layout = bare(title, x_room, y_room).with_x_label(titled(x)).with_y_label(titled(y)).with_y_label_wrap(28);
    let layout = match x.scale {
        AxisScale::Log => layout.with_log_x().with_x_tick_format(ticks(x.unit, None)),
        AxisScale::Linear => in_steps(layout, x.unit, x_room),
    };
    match y.scale {
        AxisScale::Log => layout.with_log_y().with_y_tick_format(ticks(y.unit, None)),
        AxisScale::Linear => {
            let step = step(y_room, TICKS);
            layout.with_y_tick_step(step).with_y_tick_format(ticks(y.unit, Some(step)))
        }
    }
}

/// A layout whose horizontal axis has round ticks.
pub(super) fn in_steps(layout: Layout, unit: AxisUnit, x_room: (f64, f64)) -> Layout {
    let step = step(x_room, TICKS);
    layout.with_x_tick_step(step).with_x_tick_format(ticks(unit, Some(step)))
}

/// A layout without titles of axes.
pub(super) fn bare(title: &str, x: (f64, f64), y: (f64, f64)) -> Layout {
    let mut layout = Layout::new(x, y)
        .with_width(WIDTH)
        .with_height(HEIGHT)
        .with_title(cut(title, 52))
        .with_title_size(TITLE)
        .with_label_size(LABEL)
        .with_tick_size(TICK)
        .with_body_size(TICK)
        .with_x_label_overlap(AxisLabelOverlap::Thin)
        .with_x_axis_min(x.0)
        .with_x_axis_max(x.1)
        .with_y_axis_min(y.0)
        .with_y_axis_max(y.1);
    layout.theme.grid_color = LIGHT.to_owned();
    layout
}

/// How a text is drawn.
struct TextStyle<'a> {
    size: u32,
    /// Degrees, clockwise.
    rotate: Option<f64>,
    anchor: TextAnchor,
    colour: &'a str,
}

impl Canvas {
    pub(super) fn new(layout: Layout) -> Self {
        let computed = ComputedLayout::from_layout(&layout);
        let mut scene = Scene::new(computed.width, computed.height);
        scene.font_family.clone_from(&computed.font_family);
        add_axes_and_grid(&mut scene, &computed, &layout);
        Self { scene, layout, computed, legend: Vec::new() }
    }

    /// A drawing without axes: only the title.
    pub(super) fn without_axes(layout: Layout) -> Self {
        let computed = ComputedLayout::from_layout(&layout);
        let mut scene = Scene::new(computed.width, computed.height);
        scene.font_family.clone_from(&computed.font_family);
        Self { scene, layout, computed, legend: Vec::new() }
    }

    pub(super) fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (self.computed.map_x(x), self.computed.map_y(y))
    }

    /// The left, top, right and bottom of what the axes enclose.
    pub(super) fn frame(&self) -> [f64; 4] {
        let of = &self.computed;
        [of.margin_left, of.margin_top, of.width - of.margin_right, of.height - of.margin_bottom]
    }

    /// A line, in strokes if `dashes` names their lengths and those of their gaps.
    pub(super) fn line(&mut self, points: Vec<(f64, f64)>, colour: &str, width: f64, dashes: &[f64]) {
        let parts = if dashes.is_empty() { vec![points] } else { strokes(&points, dashes) };
        for points in parts.into_iter().filter(|points| points.len() > 1) {
            let stroke = Color::from(colour);
            self.scene.add(Primitive::PolyLine { points, stroke, stroke_width: width, stroke_dasharray: None });
        }
    }

    /// A filled shape around `points`.
    pub(super) fn area(&mut self, points: &[(f64, f64)], colour: &str, opacity: f64) {
        let corner =
            |(place, (x, y)): (usize, &(f64, f64))| format!("{}{x:.2},{y:.2}", if place == 0 { 'M' } else { 'L' });
        let path: Vec<String> = points.iter().enumerate().map(corner).collect();
        self.scene.add(Primitive::Path(Box::new(PathData {
            d: path.join(" ") + " Z",
            fill: Some(Color::from(colour)),
            stroke: Color::None,
            stroke_width: 0.0,
            opacity: Some(opacity),
            stroke_dasharray: None,
        })));
    }

    pub(super) fn rectangle(&mut self, [x, y, width, height]: [f64; 4], fill: &str, stroke: Option<&str>) {
        let fill = if fill.is_empty() { Color::None } else { Color::from(fill) };
        self.scene.add(Primitive::Rect {
            x,
            y,
            width,
            height,
            fill,
            stroke: stroke.map(Color::from),
            stroke_width: stroke.map(|_| 2.0),
            opacity: None,
        });
    }

    pub(super) fn dots(&mut self, points: impl Iterator<Item = (f64, f64)>, radius: f64, colour: &str, opacity: f64) {
        let (cx, cy) = points.unzip();
        self.scene.add(Primitive::CircleBatch {
            cx,
            cy,
            r: radius,
            fill: Color::from(colour),
            fill_opacity: Some(opacity),
            stroke: None,
            stroke_width: None,
        });
    }

    pub(super) fn mark(&mut self, (x, y): (f64, f64), look: Look, r: f64) {
        let corners = match look.form {
            Form::Circle => {
                self.dots([(x, y)].into_iter(), r, look.colour, 1.0);
                return;
            }
            Form::Square => vec![(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)],
            Form::Triangle => vec![(x, y - 1.2 * r), (x + 1.15 * r, y + 0.9 * r), (x - 1.15 * r, y + 0.9 * r)],
            Form::Diamond => vec![(x, y - 1.35 * r), (x + 1.35 * r, y), (x, y + 1.35 * r), (x - 1.35 * r, y)],
            Form::Frame => {
                self.rectangle([x - r, y - r, 2.0 * r, 2.0 * r], "", Some(look.colour));
                return;
            }
            Form::Down => vec![(x, y + 1.2 * r), (x + 1.15 * r, y - 0.9 * r), (x - 1.15 * r, y - 0.9 * r)],
        };
        self.area(&corners, look.colour, 1.0);
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), content: &str, anchor: TextAnchor, colour: &str) {
        let style = TextStyle { size: SMALL, rotate: None, anchor, colour };
        self.styled_text((x, y), content, &style);
    }

    /// A text that runs upwards, centred.
    pub(super) fn upward(&mut self, at: (f64, f64), content: &str) {
        let style = TextStyle { size: LABEL, rotate: Some(-90.0), anchor: TextAnchor::Middle, colour: BLACK };
        self.styled_text(at, content, &style);
    }

    fn styled_text(&mut self, (x, y): (f64, f64), content: &str, style: &TextStyle<'_>) {
        let TextStyle { size, rotate, anchor, colour } = *style;
        let content = content.to_owned();
        let color = Some(Color::from(colour));
        self.scene.add(Primitive::Text { x, y, content, size, anchor, rotate, bold: false, color });
    }

    /// A text centred at `(x, y)`, on a background that hides what is below it.
    pub(super) fn label(&mut self, (x, y): (f64, f64), content: &str) {
        let (width, height) = label_size(content);
        self.scene.add(Primitive::Rect {
            x: x - width / 2.0,
            y: y - height / 2.0,
            width,
            height,
            fill: Color::from("#ffffff"),
            stroke: None,
            stroke_width: None,
            opacity: Some(0.8),
        });
        self.text((x, y + 4.0), content, TextAnchor::Middle, BLACK);
    }

    /// The drawing with titles, the legend and the caption.
    pub(super) fn finish(mut self, caption: &str) -> Scene {
        add_labels_and_title(&mut self.scene, &self.computed, &self.layout);
        let width = self.scene.width;
        let mut bottom = self.scene.height + 4.0;
        let legend = std::mem::take(&mut self.legend);
        bottom += self.draw_legend(&legend, bottom) + if legend.is_empty() { 2.0 } else { 8.0 };
        let room = ((width - 24.0) / (CHARACTER * 0.95 * f64::from(SMALL))) as usize;
        for line in wrap_text(&cut(caption, 2000), room) {
            self.text((12.0, bottom + 11.0), &line, TextAnchor::Start, "#444444");
            bottom += 15.0;
        }
        self.scene.height = (bottom + 8.0).ceil();
        self.scene
    }
}

/// The width and height of a [`Canvas::label`].
pub(super) fn label_size(content: &str) -> (f64, f64) {
    (content.chars().count() as f64 * CHARACTER * f64::from(SMALL) + 3.0, 12.0)
}

/// The strokes of a dashed line. The library does not scale dashes when it draws pixels, so they are cut here.
fn strokes(points: &[(f64, f64)], dashes: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let mut strokes: Vec<Vec<(f64, f64)>> = vec![points.iter().take(1).copied().collect()];
    let mut place = 0;
    let mut left = dashes[0];
    for pair in points.windows(2) {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        let length = (to_x - x).hypot(to_y - y);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = (x + (to_x - x) * done / length, y + (to_y - y) * done / length);
            if place % 2 == 0 {
                strokes.last_mut().into_iter().for_each(|stroke| stroke.push(at));
            } else {
                strokes.push(vec![at]);
            }
            place += 1;
            left = dashes[place % dashes.len()];
        }
        left -= length - done;
        if place % 2 == 0 {
            strokes.last_mut().into_iter().for_each(|stroke| stroke.push((to_x, to_y)));
        }
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::strokes;

    #[test]
    fn strokes_go_on_around_corners() {
        let line = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0)];
        assert_eq!(strokes(&line, &[3.0, 2.0]), [vec![(0.0, 0.0), (3.0, 0.0)], vec![(4.0, 1.0), (4.0, 4.0)]]);
    }
}
