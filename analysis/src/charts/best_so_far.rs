use super::{
    Axis, AxisScale, AxisUnit, Chart, ChartData,
    caption::{examples, shown},
    points::{Points, VALUE, numbers, sampled},
};
use crate::Summary;
use polars::prelude::{IntoLazy, NamedFrom, PolarsResult, Series, SortMultipleOptions};

/// The most evaluations that are drawn.
const MOST_POINTS: u32 = 2000;
/// Fewer make no chart.
const FEWEST_POINTS: usize = 3;

/// The best value over the time at which results came, or, where a large part of the time nothing came (results of an
/// earlier run), over their number.
pub(super) fn chart(points: &Points, summary: &Summary) -> PolarsResult<Option<Chart>> {
    let order = SortMultipleOptions::default().with_maintain_order(true);
    let mut table = points.lazy().sort(["finished_ms"], order).collect()?;
    if table.height() < FEWEST_POINTS {
        return Ok(None);
    }
    let times: Vec<f64> = numbers(&table, "finished_ms")?.into_iter().map(Option::unwrap_or_default).collect();
    let values: Vec<f64> = numbers(&table, VALUE)?.into_iter().flatten().collect();
    let total = values.len();
    let (axis, places) = if is_steady(&times) {
        (
            Axis { name: "time since the first result".to_owned(), unit: AxisUnit::Seconds, scale: AxisScale::Linear },
            times.iter().map(|time| (time - times[0]) / 1000.0).collect(),
        )
    } else {
        (
            Axis { name: "results".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear },
            (1..=total).map(|place| place as f64).collect::<Vec<f64>>(),
        )
    };
    let mut best: Vec<[f64; 2]> = Vec::new();
    for (place, value) in places.iter().zip(&values) {
        if best.last().is_none_or(|[_, best]| points.is_better(*value, *best)) {
            best.push([*place, *value]);
        }
    }
    let changes = best.len() as u64 - 1;
    if let (Some([last, value]), Some(end)) = (best.last().copied(), places.last())
        && *end > last
    {
        best.push([*end, value]);
    }
    table.with_column(Series::new("x".into(), &places).into())?;
    let sample = sampled(table.lazy(), MOST_POINTS).collect()?;
    let drawn = numbers(&sample, "x")?.into_iter().zip(numbers(&sample, VALUE)?);
    let drawn: Vec<[f64; 2]> = drawn.filter_map(|(x, y)| Some([x?, y?])).collect();
    let n = shown(drawn.len() as u64, total as u64, "point");
    Ok(Some(Chart {
        slug: "best-so-far".to_owned(),
        title: "Best so far".to_owned(),
        caption: format!(
            "Dots are single results, the line is the best until then; it changed {}. {n}, {}.",
            match changes {
                0 => "never".to_owned(),
                1 => "once".to_owned(),
                changes => format!("{changes} times"),
            },
            examples(summary, &summary.splits.select)
        ),
        data: ChartData::BestSoFar { x: axis, y: points.objective.clone(), points: drawn, best, total: total as u64 },
    }))
}

/// Whether time is a useful axis: it passed, and no pause takes half of it.
fn is_steady(times: &[f64]) -> bool {
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    let whole = times.last().zip(times.first()).map_or(0.0, |(last, first)| last - first);
    whole > 0.0 && longest < whole / 2.0
}
