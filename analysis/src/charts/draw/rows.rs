use super::{
    super::{Axis, AxisScale, AxisUnit, Bar, DotRow, WorkerLine},
    canvas::{Canvas, TICKS, bare, in_steps, room},
    lines::named,
    style::{BLACK, LIGHT, in_lines, look, said, titled},
    ticks::{in_suitable_unit, step},
};
use crate::fixed;
use kuva::render::{render::TextAnchor, render_utils::generate_ticks_with_step};

/// The characters of a line of a name at the side.
const NAME: usize = 22;
/// The height that a row with a name of two lines needs.
const TWO_LINES: f64 = 26.0;
/// The height that rows of dots may take together, about two columns' width.
const MOST_HEIGHT: f64 = 900.0;
/// The room above and below the rows.
const AROUND: f64 = 92.0;

/// A drawing with a row for each name, the first at the top, and its horizontal axis.
fn rowed(title: &str, names: impl DoubleEndedIterator<Item = String>, axis: &Axis, xs: (f64, f64), row: f64) -> Canvas {
    let lines = if row >= TWO_LINES { 2 } else { 1 };
    let names: Vec<Vec<String>> = names.map(|name| in_lines(&name, NAME, lines)).collect();
    let longest = names.iter().flatten().map(|line| line.chars().count()).max().unwrap_or_default();
    let height = AROUND + row * names.len() as f64;
    let mut layout = in_steps(bare(title, xs, (0.5, names.len() as f64 + 0.5)), axis.unit, xs)
        .with_height(height)
        .with_x_label(titled(axis))
        .with_y_categories(vec![String::new(); names.len()]);
    layout.force_margin_left = Some(longest as f64 * 6.6 + 24.0);
    let mut canvas = Canvas::new(layout);
    let [left, top, _, bottom] = canvas.frame();
    for (place, name) in names.iter().enumerate() {
        let middle = canvas.at(xs.0, (names.len() - place) as f64).1;
        for (line, text) in name.iter().enumerate() {
            let y = middle + 4.0 + 12.0 * (line as f64 - (name.len() as f64 - 1.0) / 2.0);
            canvas.text((left - 8.0, y), text, TextAnchor::End, BLACK);
        }
    }
    for tick in
        generate_ticks_with_step(xs.0, xs.1, step(xs, TICKS)).into_iter().filter(|tick| (xs.0..=xs.1).contains(tick))
    {
        let x = canvas.at(tick, 1.0).0;
        canvas.line(vec![(x, top), (x, bottom)], LIGHT, 1.0, &[]);
    }
    canvas
}

pub(super) fn dots(title: &str, tasks: &[String], value: &Axis, rows: &[DotRow]) -> Canvas {
    let all = rows.iter().flat_map(|row| row.dots.iter().flatten());
    let ends = all.flat_map(|dot| [Some(dot.value), dot.low, dot.high]).flatten();
    let xs = room(ends, AxisScale::Linear);
    let xs = (xs.0.max(-0.01), xs.1.min(1.01));
    let room_of_row = MOST_HEIGHT / tasks.len() as f64 - 10.0;
    let step = (room_of_row / rows.len() as f64).clamp(4.5, if rows.len() > 8 { 6.0 } else { 8.0 });
    let radius = (step / 2.0).clamp(2.2, 3.0);
    let row_height = (rows.len() as f64 * step + 10.0).max(24.0);
    let mut canvas = rowed(title, tasks.iter().cloned(), value, xs, row_height);
    let [left, _, right, _] = canvas.frame();
    for (place, _) in tasks.iter().enumerate() {
        let from_bottom = (tasks.len() - place) as f64;
        let middle = canvas.at(xs.0, from_bottom).1;
        if place > 0 {
            let edge = middle - row_height / 2.0;
            canvas.line(vec![(left, edge), (right, edge)], "#bbbbbb", 1.0, &[]);
        }
        for (method, row) in rows.iter().enumerate() {
            let Some(dot) = row.dots.get(place).copied().flatten() else { continue };
            let y = middle + (method as f64 - (rows.len() as f64 - 1.0) / 2.0) * step;
            if let (Some(low), Some(high)) = (dot.low, dot.high) {
                let low = canvas.at(low, 1.0).0;
                let high = canvas.at(high, 1.0).0;
                canvas.line(vec![(low, y), (high, y)], look(row.look).colour, 1.3, &[]);
            }
            canvas.mark((canvas.at(dot.value, 1.0).0, y), look(row.look), radius);
        }
    }
    for row in rows {
        canvas.name(&named(&row.name, row.is_chosen), look(row.look), false);
    }
    canvas
}

pub(super) fn importance(title: &str, bars: &[Bar]) -> Canvas {
    let most = bars.iter().map(|bar| bar.share).fold(0.05, f64::max);
    let axis = Axis { name: "share of variance".to_owned(), unit: AxisUnit::Share, scale: AxisScale::Linear };
    let mut canvas = rowed(title, bars.iter().map(|bar| bar.name.clone()), &axis, (0.0, most * 1.15), 26.0);
    for (place, bar) in bars.iter().enumerate() {
        let (x, y) = canvas.at(bar.share, (bars.len() - place) as f64);
        let left = canvas.at(0.0, 1.0).0;
        canvas.rectangle([left, y - 8.0, (x - left).max(0.5), 16.0], look(0).colour, None);
        let text = fixed(bar.share * 100.0, 1);
        canvas.text((x + 5.0, y + 4.0), &text, TextAnchor::Start, BLACK);
    }
    canvas
}

pub(super) fn time_line(title: &str, x: &Axis, workers: &[WorkerLine]) -> Canvas {
    let ends = workers.iter().flat_map(|worker| &worker.spans).flatten().copied();
    let until = ends.fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let (x, unit) = in_suitable_unit(x, until);
    let row = if workers.len() > 12 { 15.0 } else { 24.0 };
    let name = |worker: &WorkerLine| format!("{} · {}", worker.name, said_device(&worker.device));
    let mut canvas = rowed(title, workers.iter().map(name), &x, (0.0, until / unit), row);
    for (place, worker) in workers.iter().enumerate() {
        for [begin, end] in &worker.spans {
            let (left, y) = canvas.at(*begin / unit, (workers.len() - place) as f64);
            let right = canvas.at(*end / unit, 1.0).0;
            let height = row * 0.62;
            canvas.rectangle([left, y - height / 2.0, (right - left).max(0.7), height], look(0).colour, None);
        }
    }
    canvas
}

/// The device without what is in brackets.
fn said_device(device: &str) -> &str {
    device.split(" (").next().unwrap_or(device)
}

/// A value in a cell or beside an axis.
pub(super) fn value(value: f64, unit: AxisUnit) -> String {
    match unit {
        AxisUnit::Share => fixed(value * 100.0, 1),
        unit => said(value, unit),
    }
}
