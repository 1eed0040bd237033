use super::{
    Axis, AxisScale, AxisUnit, Chart, ChartData, Dot, DotRow, NamedPoint,
    caption::{counted, examples},
};
use crate::{SplitSummary, Summary, SummaryRow, metric::in_words};
use jobs::{Interval, Metric};

/// The last entry of the dots' tasks.
const MEAN: &str = "mean of tasks";

/// The accuracy of every row on every task of the report split.
pub(super) fn dots(summary: &Summary) -> Option<Chart> {
    let split = &summary.splits.report;
    let dot = |value: f64, interval: Option<Interval>| Dot {
        value,
        low: interval.map(|interval| interval.low),
        high: interval.map(|interval| interval.high),
    };
    let row = |(look, row): (usize, &SummaryRow)| {
        let of_split = row.splits.get(split)?;
        let of_task = |task: &String| {
            let of_task = of_split.tasks.iter().find(|summary| summary.task == *task)?;
            of_task.accuracy.is_finite().then(|| dot(of_task.accuracy, of_task.interval))
        };
        let mut dots: Vec<Option<Dot>> = summary.tasks.iter().map(of_task).collect();
        let mean = of_split.mean_accuracy.filter(|mean| mean.is_finite());
        dots.push(mean.map(|mean| dot(mean, of_split.interval)));
        let has_some = dots.iter().any(Option::is_some);
        has_some.then(|| DotRow { name: row.name.clone(), is_chosen: row.is_chosen, look, dots })
    };
    let rows: Vec<DotRow> = summary.rows.iter().enumerate().filter_map(row).collect();
    // Adapters alone and the base model are there to compare merges with.
    let has_merge = summary.rows.iter().any(|row| row.kind.is_merge() && row.splits.contains_key(split));
    if !has_merge {
        return None;
    }
    let mut tasks = summary.tasks.clone();
    tasks.push(MEAN.to_owned());
    Some(Chart {
        slug: "dots".to_owned(),
        title: format!("Accuracy by task on {split}"),
        caption: format!(
            "Bars are 95 % intervals from the number of examples (of a task: Wilson's): {}.",
            per_task(summary, split)
        ),
        data: ChartData::Dots { tasks, value: share(format!("accuracy on {split}")), rows },
    })
}

/// "100 to 250 of a task".
fn per_task(summary: &Summary, split: &str) -> String {
    let tasks = summary.rows.iter().filter_map(|row| row.splits.get(split)).flat_map(|of| &of.tasks);
    let counts: Vec<u64> = tasks.filter_map(|task| task.n).collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(fewest), Some(most)) if fewest == most => format!("{} for each task", counted(*most)),
        (Some(fewest), Some(most)) => format!("{} to {} for a task", counted(*fewest), counted(*most)),
        _ => "not known, the accuracies were given".to_owned(),
    }
}

/// The most points of which a scatter draws the intervals: more bars would hide the points.
pub(super) const MOST_BARS: usize = 12;

/// The objective of merges on the report split over that on the selection split.
pub(super) fn validation_and_test(summary: &Summary) -> Option<Chart> {
    let select = &summary.splits.select;
    let report = &summary.splits.report;
    let metric = &summary.objective.metric;
    let point = |(look, row): (usize, &SummaryRow)| {
        let x = measured(row.splits.get(select)?, metric)?;
        let y = measured(row.splits.get(report)?, metric)?;
        Some(NamedPoint {
            name: row.name.clone(),
            x: x.value,
            y: y.value,
            x_interval: x.interval,
            y_interval: y.interval,
            is_chosen: row.is_chosen,
            look,
        })
    };
    let rows = summary.rows.iter().enumerate();
    let merges = rows.filter(|(_, row)| row.kind.is_merge());
    let points: Vec<NamedPoint> = merges.filter_map(point).collect();
    if select == report || points.len() < 2 {
        return None;
    }
    let axis = |split: &String| share(format!("{} on {split}", in_words(metric)));
    let line = if are_comparable(&points) { "On the dashed line both splits are the same. " } else { "" };
    let has_bars = points.len() <= MOST_BARS && points.iter().any(|point| point.x_interval.is_some());
    let bars = if has_bars { "Bars are 95 % intervals from the number of examples. " } else { "" };
    Some(Chart {
        slug: "validation-test".to_owned(),
        title: format!("{select} against {report}").replacen(select, &capitalised(select), 1),
        caption: format!(
            "A point for each merge of the table. {line}{bars}{} merges, {} and {}.",
            points.len(),
            examples(summary, select),
            examples(summary, report).trim_start_matches("each on ")
        ),
        data: ChartData::Scatter { x: axis(select), y: axis(report), points },
    })
}

/// Whether the ranges of both axes have something in common, so that a line can join equal values.
pub(super) fn are_comparable(points: &[NamedPoint]) -> bool {
    let ends = |value: fn(&NamedPoint) -> f64| {
        let values = points.iter().map(value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let x = ends(|point| point.x);
    let y = ends(|point| point.y);
    x.0.max(y.0) < x.1.min(y.1)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A value with its 95 % interval.
struct Measured {
    value: f64,
    interval: Option<[f64; 2]>,
}

fn measured(split: &SplitSummary, metric: &Metric) -> Option<Measured> {
    let (value, interval) = split.value(metric).filter(|(value, _)| value.is_finite())?;
    let ends = interval.map(|Interval { low, high }| [low, high]);
    Some(Measured { value, interval: ends.filter(|ends| ends.iter().all(|end| end.is_finite())) })
}

fn share(name: String) -> Axis {
    Axis { name, unit: AxisUnit::Share, scale: AxisScale::Linear }
}
