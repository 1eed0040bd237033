use super::{
    Chart, ChartData,
    caption::{counted, examples, short, shown},
    parameter::Parameter,
    points::{METHOD, Points, VALUE, numbers},
};
use crate::Summary;
use polars::prelude::{PolarsResult, col, lit};

/// The fewest values that a parameter must have.
const FEWEST_VALUES: usize = 3;
/// The most columns and rows that remain distinguishable.
const MOST_VALUES: usize = 20;
/// The smallest share of cells with a value; below it there is no chart.
const FILLED: f64 = 0.6;

/// The objective over the two most important parameters (by `ranking`) of the chosen search, or else of the first
/// search that tried enough combinations.
pub(super) fn chart(points: &Points, ranking: &[String], summary: &Summary) -> PolarsResult<Option<Chart>> {
    let rank = |parameter: &&Parameter| ranking.iter().position(|name| *name == parameter.name).unwrap_or(usize::MAX);
    let mut parameters: Vec<&Parameter> = points.numbers().collect();
    parameters.sort_by_key(rank);
    for (method, count) in &points.methods {
        let varied: Vec<&Parameter> =
            parameters.iter().copied().filter(|parameter| parameter.tried_by(method) >= FEWEST_VALUES).collect();
        for (first, x) in varied.iter().enumerate() {
            for y in &varied[first + 1..] {
                let chart = of_two(points, method, *count, [x, y], summary)?;
                if chart.is_some() {
                    return Ok(chart);
                }
            }
        }
    }
    Ok(None)
}

fn of_two(
    points: &Points,
    method: &str,
    count: u64,
    [x, y]: [&Parameter; 2],
    summary: &Summary,
) -> PolarsResult<Option<Chart>> {
    // Of points that lie anywhere, some should fall into each cell.
    let most = ((count as f64 / 2.0).sqrt() as usize).clamp(4, MOST_VALUES);
    let most = |parameter: &Parameter| if parameter.values.len() <= MOST_VALUES { MOST_VALUES } else { most };
    let (xs, in_x) = x.places(most(x));
    let (ys, in_y) = y.places(most(y));
    let there = |parameter: &Parameter| col(parameter.name.as_str()).is_not_null();
    let table = points
        .over_seeds()
        .filter(col(METHOD).eq(lit(method)).and(there(x)).and(there(y)))
        .with_columns([in_x.alias("x"), in_y.alias("y")])
        .group_by([col("x"), col("y")])
        .agg([points.best(col(VALUE)).alias("best")])
        .sort(["y", "x"], Default::default())
        .collect()?;
    let mut cells = vec![vec![None; xs.len()]; ys.len()];
    let columns = numbers(&table, "x")?;
    let rows = numbers(&table, "y")?;
    let values = numbers(&table, "best")?;
    for ((column, row), value) in columns.into_iter().zip(rows).zip(values) {
        if let (Some(column), Some(row)) = (column, row) {
            cells[row as usize][column as usize] = value;
        }
    }
    let Some((xs, ys, cells)) = without_empty(xs, ys, cells) else { return Ok(None) };
    let best = best(points, &cells);
    let over = if points.has_seeds() { "mean over seeds" } else { "value" };
    let mut caption = vec![format!("Best {over} of {method} in each cell, over all other parameters.")];
    if let Some([row, column]) = best {
        let at = |parameter: &Parameter, value: f64| {
            // Of a range the middle is shown.
            let about = if parameter.values.len() > MOST_VALUES { "about " } else { "" };
            format!("{} {about}{}", parameter.name, short(format!("{value:.2e}").parse().unwrap_or(value)))
        };
        caption.push(format!("The frame marks the best: {}, {}.", at(x, xs[column]), at(y, ys[row])));
    }
    caption.push(format!("{}, {}.", shown(count, count, "point"), examples(summary, &summary.splits.select)));
    for parameter in [x, y].into_iter().filter(|parameter| parameter.values.len() > MOST_VALUES) {
        let values = counted(parameter.values.len() as u64);
        let ranges = most(parameter);
        caption.push(format!("The {values} values of {} are taken together in {ranges} ranges.", parameter.name));
    }
    Ok(Some(Chart {
        slug: "heat-map".to_owned(),
        title: format!("{method}: {} and {}", x.name, y.name),
        caption: caption.join(" "),
        data: ChartData::HeatMap { x: x.axis(), y: y.axis(), value: points.objective.clone(), xs, ys, cells, best },
    }))
}

type Cells = Vec<Vec<Option<f64>>>;

/// The grid without rows and columns in which nothing was tried (other searches have their own values); `None` if most
/// of it is empty.
fn without_empty(xs: Vec<f64>, ys: Vec<f64>, cells: Cells) -> Option<(Vec<f64>, Vec<f64>, Cells)> {
    let columns: Vec<usize> = (0..xs.len()).filter(|x| cells.iter().any(|row| row[*x].is_some())).collect();
    let rows: Vec<usize> = (0..ys.len()).filter(|y| cells[*y].iter().any(Option::is_some)).collect();
    let cells: Cells = rows.iter().map(|y| columns.iter().map(|x| cells[*y][*x]).collect()).collect();
    let filled = cells.iter().flatten().flatten().count() as f64;
    let is_grid = columns.len() >= FEWEST_VALUES && rows.len() >= FEWEST_VALUES;
    let kept = (columns.iter().map(|x| xs[*x]).collect(), rows.iter().map(|y| ys[*y]).collect());
    (is_grid && filled >= FILLED * (columns.len() * rows.len()) as f64).then_some((kept.0, kept.1, cells))
}

/// The row and column of the best cell, the first among equals.
fn best(points: &Points, cells: &[Vec<Option<f64>>]) -> Option<[usize; 2]> {
    let mut best: Option<([usize; 2], f64)> = None;
    for (y, row) in cells.iter().enumerate() {
        for (x, value) in row.iter().enumerate().filter_map(|(x, value)| Some((x, (*value)?))) {
            if best.is_none_or(|(_, best)| points.is_better(value, best)) {
                best = Some(([y, x], value));
            }
        }
    }
    best.map(|best| best.0)
}
