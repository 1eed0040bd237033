use super::{
    super::{
        Axis, AxisScale, CurveSeries, NamedPoint,
        table_rows::{MOST_BARS, are_comparable},
    },
    canvas::{Canvas, Ranged, label_size, layout, room},
    labels::places,
    style::{BLACK, Form, GREY, Look, look},
    ticks::in_suitable_unit,
};

const FRONT: Look = Look { colour: "#d55e00", form: Form::Diamond, dashes: &[] };
const CHOSEN: Look = Look { colour: "#0072b2", form: Form::Frame, dashes: &[] };
const OTHER: Look = Look { colour: GREY, form: Form::Circle, dashes: &[] };

pub(super) fn curve(title: &str, x: &Axis, y: &Axis, series: &[CurveSeries]) -> Canvas {
    let points = || series.iter().flat_map(|series| &series.points);
    let xs = room(points().map(|point| point.x), x.scale);
    let ends = points().flat_map(|point| [Some(point.y), point.low, point.high]).flatten();
    let mut canvas =
        Canvas::new(layout(title, Ranged { axis: x, range: xs }, Ranged { axis: y, range: room(ends, y.scale) }));
    for series in series {
        let banded: Vec<(f64, f64, f64)> =
            series.points.iter().filter_map(|point| Some((point.x, point.low?, point.high?))).collect();
        let upper = banded.iter().map(|(x, _, high)| canvas.at(*x, *high));
        let lower = banded.iter().rev().map(|(x, low, _)| canvas.at(*x, *low));
        let around: Vec<(f64, f64)> = upper.chain(lower).collect();
        if banded.len() > 1 {
            canvas.area(&around, look(series.look).colour, 0.16);
        }
    }
    for series in series {
        let look = look(series.look);
        let at: Vec<(f64, f64)> = series.points.iter().map(|point| canvas.at(point.x, point.y)).collect();
        canvas.line(at.clone(), look.colour, 2.0, look.dashes);
        at.into_iter().for_each(|at| canvas.mark(at, look, 3.6));
        canvas.name(&series.name, look, true);
    }
    canvas
}

pub(super) fn best_so_far(title: &str, [x, y]: [&Axis; 2], points: &[[f64; 2]], best: &[[f64; 2]]) -> Canvas {
    let (x, unit) = in_suitable_unit(x, points.iter().chain(best).map(|point| point[0]).fold(0.0, f64::max));
    let xs = room(points.iter().chain(best).map(|point| point[0] / unit), x.scale);
    let ys = room(points.iter().chain(best).map(|point| point[1]), y.scale);
    let mut canvas = Canvas::new(layout(title, Ranged { axis: &x, range: xs }, Ranged { axis: y, range: ys }));
    let at: Vec<(f64, f64)> = points.iter().map(|point| canvas.at(point[0] / unit, point[1])).collect();
    let (radius, opacity) = if at.len() > 300 { (1.6, 0.45) } else { (3.0, 0.8) };
    canvas.dots(at.into_iter(), radius, GREY, opacity);
    let mut steps: Vec<(f64, f64)> = Vec::new();
    for point in best {
        if let Some((_, before)) = steps.last().copied() {
            steps.push((canvas.at(point[0] / unit, point[1]).0, before));
        }
        steps.push(canvas.at(point[0] / unit, point[1]));
    }
    let line = Look { form: Form::Circle, ..FRONT };
    canvas.line(steps, line.colour, 2.2, &[]);
    canvas.name("best so far", line, true);
    canvas.name("single result", OTHER, false);
    canvas
}

pub(super) fn scatter(title: &str, x: &Axis, y: &Axis, points: &[NamedPoint]) -> Canvas {
    let has_bars = points.len() <= MOST_BARS;
    let bar = |interval: Option<[f64; 2]>| interval.filter(|_| has_bars).into_iter().flatten();
    let xs = room(points.iter().flat_map(|point| bar(point.x_interval).chain([point.x])), x.scale);
    let ys = room(points.iter().flat_map(|point| bar(point.y_interval).chain([point.y])), y.scale);
    let mut canvas = Canvas::new(layout(title, Ranged { axis: x, range: xs }, Ranged { axis: y, range: ys }));
    let low = xs.0.max(ys.0);
    let high = xs.1.min(ys.1);
    if are_comparable(points) {
        let same = vec![canvas.at(low, low), canvas.at(high, high)];
        canvas.line(same, GREY, 1.2, &[5.0, 4.0]);
    }
    for point in points.iter().filter(|_| has_bars) {
        let colour = look(point.look).colour;
        if let Some([low, high]) = point.x_interval {
            canvas.line(vec![canvas.at(low, point.y), canvas.at(high, point.y)], colour, BAR, &[]);
        }
        if let Some([low, high]) = point.y_interval {
            canvas.line(vec![canvas.at(point.x, low), canvas.at(point.x, high)], colour, BAR, &[]);
        }
    }
    let at: Vec<(f64, f64)> = points.iter().map(|point| canvas.at(point.x, point.y)).collect();
    for (at, point) in at.iter().zip(points) {
        // A white edge tells marks apart that lie on each other.
        canvas.mark(*at, Look { colour: "#ffffff", ..look(point.look) }, MARK + 1.2);
        canvas.mark(*at, look(point.look), MARK);
    }
    number(&mut canvas, &at);
    for (place, point) in points.iter().enumerate() {
        let name = format!("{}  {}", place + 1, named(&point.name, point.is_chosen));
        canvas.name(&name, look(point.look), false);
    }
    canvas
}

/// The width of the bar of an interval.
const BAR: f64 = 0.8;

/// The radius of the mark of a point that has a number.
const MARK: f64 = 5.0;

/// Writes the numbers of points, from 1 on, beside them, with a line to where they are where that is not plain.
fn number(canvas: &mut Canvas, at: &[(f64, f64)]) {
    let texts: Vec<String> = (1..=at.len()).map(|number| number.to_string()).collect();
    let sizes: Vec<(f64, f64)> = texts.iter().map(|text| label_size(text)).collect();
    let [left, top, right, bottom] = canvas.frame();
    let places = places(at, &sizes, [left + 1.0, top + 1.0, right - 1.0, bottom - 1.0], MARK + 1.2);
    for ((&(x, y), place), text) in at.iter().zip(places).zip(&texts) {
        let away = (place.0 - x).hypot(place.1 - y);
        if away > 3.0 * MARK + 3.0 {
            canvas.line(vec![(x, y), place], GREY, 0.8, &[]);
        }
        canvas.label(place, text);
    }
}

pub(super) fn pareto(title: &str, [x, y]: [&Axis; 2], points: &[NamedPoint], front: &[usize]) -> Canvas {
    let xs = room(points.iter().map(|point| point.x), AxisScale::Linear);
    let ys = room(points.iter().map(|point| point.y), AxisScale::Linear);
    let mut canvas = Canvas::new(layout(title, Ranged { axis: x, range: xs }, Ranged { axis: y, range: ys }));
    let at: Vec<(f64, f64)> = points.iter().map(|point| canvas.at(point.x, point.y)).collect();
    let (radius, opacity) = if at.len() > 300 { (1.8, 0.5) } else { (3.0, 0.8) };
    canvas.dots(at.iter().copied(), radius, GREY, opacity);
    let front: Vec<(f64, f64)> = front.iter().filter_map(|place| at.get(*place).copied()).collect();
    let is_line = front.len() > 1;
    canvas.line(front.clone(), FRONT.colour, 1.8, &[]);
    front.into_iter().for_each(|at| canvas.mark(at, FRONT, 3.6));
    canvas.name("front", FRONT, is_line);
    canvas.name("other point", OTHER, false);
    if let Some((place, point)) = points.iter().enumerate().find(|(_, point)| point.is_chosen) {
        canvas.mark(at[place], CHOSEN, 7.0);
        canvas.name(&format!("chosen: {}", point.name), CHOSEN, false);
    }
    canvas
}

pub(super) fn named(name: &str, is_chosen: bool) -> String {
    if is_chosen { format!("{name} (chosen)") } else { name.to_owned() }
}

/// A thin black line, for frames and whiskers.
pub(super) fn thin(canvas: &mut Canvas, from: (f64, f64), to: (f64, f64)) {
    canvas.line(vec![from, to], BLACK, 1.0, &[]);
}
