use super::{
    super::{Axis, AxisScale, ParallelAxis, ParallelLine, caption::short},
    canvas::{Canvas, HEIGHT, WIDTH, bare},
    lines::thin,
    rows::value as said,
    style::{BLACK, cut, in_lines, titled},
    ticks::{round, written},
};
use kuva::{
    plot::ColorMap,
    render::{render::TextAnchor, render_utils::wrap_text},
};

/// With more tasks than these, numbers of four digits run into each other, and two decimals have room.
const MOST_LONG_NUMBERS: usize = 5;

/// The room of a bar of colours with its numbers and title.
const BAR: f64 = 110.0;
/// The characters of a line of a word beside an axis.
const WORD: usize = 18;
/// Cells in a row that have room for a number.
const MOST_NUMBERS: usize = 9;

fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// Where a value lies between the ends, in [0, 1].
fn share((low, high): (f64, f64), value: f64) -> f64 {
    if high > low { (value - low) / (high - low) } else { 0.5 }
}

/// What stands along the two sides of a grid of cells.
struct Sides {
    x_title: String,
    y_title: String,
    x_names: Vec<String>,
    /// From the bottom.
    y_names: Vec<String>,
}

pub(super) fn heat_map(
    title: &str,
    [x, y, value]: [&Axis; 3],
    [xs, ys]: [&[f64]; 2],
    cells: &[Vec<Option<f64>>],
    best: Option<[usize; 2]>,
) -> Canvas {
    // More names than these are hard to read, and tell nothing more.
    let names = |values: &[f64], most: usize| {
        let step = values.len().div_ceil(most);
        let name = |(place, value): (usize, &f64)| if place % step == 0 { said_short(*value) } else { String::new() };
        values.iter().enumerate().map(name).collect::<Vec<String>>()
    };
    let sides =
        Sides { x_title: titled(x), y_title: titled(y), x_names: names(xs, xs.len().max(1)), y_names: names(ys, 12) };
    coloured(title, sides, value, cells, best)
}

/// A value for every pair of tasks, the first task in the upper left corner.
pub(super) fn task_pairs(
    title: &str,
    [columns, rows]: [&String; 2],
    tasks: &[String],
    value: &Axis,
    cells: &[Vec<Option<f64>>],
) -> Canvas {
    let names: Vec<String> = tasks.iter().map(|task| cut(task, WORD)).collect();
    let sides = Sides {
        x_title: cut(columns, 60),
        y_title: cut(rows, 60),
        y_names: names.iter().rev().cloned().collect(),
        x_names: names,
    };
    let shown = |cell: &Option<f64>| {
        cell.map(|cell| if tasks.len() > MOST_LONG_NUMBERS { (cell * 100.0).round() / 100.0 } else { cell })
    };
    let cells: Vec<Vec<_>> = cells.iter().rev().map(|row| row.iter().map(shown).collect()).collect();
    coloured(title, sides, value, &cells, None)
}

/// Cells in colours, the first row at the bottom.
fn coloured(title: &str, sides: Sides, value: &Axis, cells: &[Vec<Option<f64>>], best: Option<[usize; 2]>) -> Canvas {
    let around = |count: usize| (0.5, count as f64 + 0.5);
    let columns = sides.x_names.len();
    let height = (110.0 + sides.y_names.len() as f64 * 24.0).clamp(HEIGHT - 40.0, 560.0);
    let mut layout = bare(title, around(columns), around(sides.y_names.len()))
        .with_height(height)
        .with_x_label(sides.x_title)
        .with_y_label(sides.y_title)
        .with_x_categories(sides.x_names)
        .with_y_categories(sides.y_names)
        .with_show_grid(false);
    layout.force_margin_right = Some(BAR);
    let mut canvas = Canvas::new(layout);
    let range = ends(cells.iter().flatten().flatten().copied());
    let has_numbers = columns <= MOST_NUMBERS;
    let corner = |canvas: &Canvas, row: usize, column: usize| {
        let (left, top) = canvas.at(column as f64 + 0.5, row as f64 + 1.5);
        let (right, bottom) = canvas.at(column as f64 + 1.5, row as f64 + 0.5);
        [left, top, right - left, bottom - top]
    };
    for (row, cells) in cells.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let at = corner(&canvas, row, column);
            let Some(cell) = cell else { continue };
            let place = share(range, *cell);
            canvas.rectangle([at[0], at[1], at[2] + 0.3, at[3] + 0.3], &ColorMap::Viridis.map(place), None);
            if has_numbers {
                let colour = if place > 0.6 { BLACK } else { "#ffffff" };
                let middle = (at[0] + at[2] / 2.0, at[1] + at[3] / 2.0 + 4.0);
                canvas.text(middle, &said(*cell, value.unit), TextAnchor::Middle, colour);
            }
        }
    }
    if let Some([row, column]) = best {
        let [left, top, width, height] = corner(&canvas, row, column);
        canvas.rectangle([left + 1.0, top + 1.0, width - 2.0, height - 2.0], "", Some("#d55e00"));
    }
    colour_bar(&mut canvas, range, value);
    canvas
}

/// A parameter's value in at most three digits that count.
fn said_short(value: f64) -> String {
    let rounded = format!("{value:.2e}").parse().unwrap_or(value);
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.1e}") } else { short(rounded) }
}

/// The colours with their values at the right, and the title of what they mean.
fn colour_bar(canvas: &mut Canvas, range: (f64, f64), value: &Axis) {
    let [_, top, right, bottom] = canvas.frame();
    let left = right + 14.0;
    let steps = 64;
    let height = (bottom - top) / f64::from(steps);
    for step in 0..steps {
        let place = f64::from(step) / f64::from(steps - 1);
        let y = bottom - height * f64::from(step + 1);
        canvas.rectangle([left, y, 14.0, height + 0.4], &ColorMap::Viridis.map(place), None);
    }
    let ticks = round(range, AxisScale::Linear, 5);
    for (tick, text) in ticks.iter().zip(written(&ticks, AxisScale::Linear, value.unit)) {
        let y = bottom - (bottom - top) * share(range, *tick);
        thin(canvas, (left + 14.0, y), (left + 18.0, y));
        canvas.text((left + 20.0, y + 4.0), &text, TextAnchor::Start, BLACK);
    }
    for (line, part) in wrap_text(&titled(value), 28).iter().take(2).enumerate() {
        canvas.upward((right + 77.0 + 16.0 * line as f64, (top + bottom) / 2.0), part);
    }
}

pub(super) fn parallel(title: &str, axes: &[ParallelAxis], lines: &[ParallelLine]) -> Canvas {
    let width = WIDTH.max(axes.len() as f64 * 104.0 + 40.0);
    let height = HEIGHT + 20.0;
    let layout = bare(title, (0.0, 1.0), (0.0, 1.0)).with_width(width).with_height(height);
    let mut canvas = Canvas::without_axes(layout);
    let top = 84.0;
    let bottom = height - 34.0;
    let ranges: Vec<(f64, f64)> = axes.iter().enumerate().map(|(place, axis)| range(axis, place, lines)).collect();
    // What stands left of the first axis.
    let first = axes.first().map(|axis| marks(axis, ranges[0])).unwrap_or_default();
    let longest = first.iter().flat_map(|(_, text)| text).map(|line| line.chars().count()).max();
    let before = (longest.unwrap_or_default() as f64 * 6.6 + 14.0).max(48.0);
    let x = |axis: usize| before + (width - 76.0 - before) * axis as f64 / (axes.len() as f64 - 1.0).max(1.0);
    let y = |axis: usize, value: Option<f64>| match value {
        Some(value) => bottom - (bottom - top) * share(ranges[axis], there(&axes[axis], value)),
        None => bottom + 18.0,
    };
    let last = axes.len().saturating_sub(1);
    let opacity_width = if lines.len() > 150 { 0.8 } else { 1.3 };
    for line in lines {
        let at = line.values.iter().enumerate().map(|(axis, value)| (x(axis), y(axis, *value)));
        let place = line.values.last().copied().flatten().map_or(0.5, |value| share(ranges[last], value));
        canvas.line(at.collect(), &ColorMap::Viridis.map(place), opacity_width, &[]);
    }
    let has_none = |axis: usize| lines.iter().any(|line| line.values.get(axis).copied().flatten().is_none());
    for (place, axis) in axes.iter().enumerate() {
        canvas.line(vec![(x(place), top), (x(place), bottom)], BLACK, 1.2, &[]);
        let name = if place == last { axis_title(axis) } else { vec![cut(&axis.name, 24)] };
        // Neighbouring names stand at two heights.
        let height = if place == last || place % 2 == 0 { top - 12.0 } else { top - 28.0 };
        for (line, part) in name.iter().rev().enumerate() {
            canvas.text((x(place), height - 13.0 * line as f64), part, TextAnchor::Middle, BLACK);
        }
        for (value, text) in marks(axis, ranges[place]) {
            let y = y(place, Some(value));
            thin(&mut canvas, (x(place) - 3.0, y), (x(place) + 3.0, y));
            if place == 0 {
                for (line, part) in text.iter().enumerate() {
                    let y = y + 4.0 + 12.0 * (line as f64 - (text.len() as f64 - 1.0) / 2.0);
                    canvas.text((x(place) - 6.0, y), part, TextAnchor::End, BLACK);
                }
            } else {
                label(&mut canvas, (x(place) + 6.0, y + 4.0), &text.concat());
            }
        }
        if has_none(place) {
            label(&mut canvas, (x(place) + 6.0, bottom + 22.0), "n/a");
        }
    }
    canvas
}

/// A small text on a white ground, so that lines do not cross it.
fn label(canvas: &mut Canvas, (x, y): (f64, f64), text: &str) {
    let width = text.chars().count() as f64 * 6.6 + 2.0;
    canvas.rectangle([x - 1.0, y - 10.0, width, 13.0], "#ffffff", None);
    canvas.text((x, y), text, TextAnchor::Start, BLACK);
}

/// The objective's title in short lines.
fn axis_title(axis: &ParallelAxis) -> Vec<String> {
    let title = titled(&Axis { name: axis.name.clone(), unit: axis.unit, scale: axis.scale });
    wrap_text(&title, 18)
}

fn there(axis: &ParallelAxis, value: f64) -> f64 {
    if axis.scale == AxisScale::Log && value > 0.0 { value.ln() } else { value }
}

fn range(axis: &ParallelAxis, place: usize, lines: &[ParallelLine]) -> (f64, f64) {
    match &axis.words {
        Some(words) => (0.0, words.len().saturating_sub(1) as f64),
        None => ends(lines.iter().filter_map(|line| line.values.get(place).copied().flatten()).map(|v| there(axis, v))),
    }
}

/// Values that are written beside an axis.
fn marks(axis: &ParallelAxis, (low, high): (f64, f64)) -> Vec<(f64, Vec<String>)> {
    if let Some(words) = &axis.words {
        // A word for every 14 units of height has room.
        let step = words.len().div_ceil(16).max(1);
        let lines = if words.len() <= 8 { 2 } else { 1 };
        let mark = |(at, word): (usize, &String)| (at as f64, in_lines(word, WORD, lines));
        return words.iter().enumerate().step_by(step).map(mark).collect();
    }
    if !low.is_finite() {
        return Vec::new();
    }
    let back = |value: f64| if axis.scale == AxisScale::Log { value.exp() } else { value };
    let ticks = round((back(low), back(high)), axis.scale, 5);
    let texts = written(&ticks, axis.scale, axis.unit);
    ticks.into_iter().zip(texts).map(|(value, text)| (value, vec![text])).collect()
}
