use super::{
    Axis, AxisScale, AxisUnit, Chart, ChartData, CurvePoint, CurveSeries,
    caption::{counted, shown},
};
use crate::{
    Summary,
    metric::in_words,
    summary::{SubsetSize, shown_metric},
};

/// The most curves that remain distinguishable.
const MOST_CURVES: usize = 8;

/// What each recipe reaches over the number of merged tasks.
pub(super) fn chart(summary: &Summary) -> Option<Chart> {
    let metric = &summary.objective.metric;
    let point = |size: &SubsetSize| {
        let spread = size.shown(metric).filter(|spread| spread.mean.is_finite())?;
        Some(CurvePoint {
            x: size.size as f64,
            y: spread.mean,
            low: spread.interval.map(|interval| interval.low),
            high: spread.interval.map(|interval| interval.high),
            n: size.subsets,
        })
    };
    let curve = |(look, row): (usize, &crate::SummaryRow)| {
        let mut points: Vec<CurvePoint> = row.subsets.iter().filter_map(point).collect();
        points.sort_by(|one, other| one.x.total_cmp(&other.x));
        (points.len() > 1).then(|| CurveSeries { name: row.name.clone(), look, points })
    };
    let mut series: Vec<CurveSeries> = summary.rows.iter().enumerate().filter_map(curve).collect();
    let total = series.len();
    let most = series.iter().flat_map(|series| &series.points).map(|point| point.n).max()?;
    // The chosen row is the first that a reader looks for.
    let chosen = summary.best().map(|row| row.name.as_str());
    series.sort_by_key(|series| chosen != Some(series.name.as_str()));
    series.truncate(MOST_CURVES);
    let report = &summary.splits.report;
    let of = shown_metric(metric);
    let mut caption = vec![
        format!("Mean over at most {} subsets of each size, each merge scored on its own tasks.", counted(most)),
        "The band is ± 1.96·s/√n; it describes the subsets, which overlap, and tests nothing.".to_owned(),
    ];
    if series.len() < total {
        caption.push(format!("The curves are of {}.", shown(series.len() as u64, total as u64, "method")));
    }
    Some(Chart {
        slug: "subsets".to_owned(),
        title: "Number of merged tasks".to_owned(),
        caption: caption.join(" "),
        data: ChartData::Curve {
            x: Axis { name: "number of tasks".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear },
            y: Axis { name: format!("{} on {report}", in_words(&of)), unit: AxisUnit::Share, scale: AxisScale::Linear },
            series,
        },
    })
}
