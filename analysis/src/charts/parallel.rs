use super::{
    Chart, ChartData, ParallelAxis, ParallelLine,
    caption::{examples, shown},
    points::{METHOD, Points, VALUE, numbers, sampled, words},
};
use crate::Summary;
use polars::prelude::{DataFrame, PolarsResult};

/// Lines that are drawn: of more points, the best and a sample of the others.
const MOST_LINES: u32 = 500;
const MOST_BEST: u32 = 100;
/// Axes that have room, beside the objective.
const MOST_AXES: usize = 9;
/// Fewer points are better read in a table.
const FEWEST_LINES: usize = 4;

/// Every point across the parameters; those that matter more (by `ranking`) stand further right.
pub(super) fn chart(points: &Points, ranking: &[String], summary: &Summary) -> PolarsResult<Option<Chart>> {
    let mut names: Vec<&str> = points.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
    names.sort_by_key(|name| ranking.iter().position(|ranked| ranked == name).unwrap_or(usize::MAX));
    let has_methods = points.methods.len() > 1;
    names.truncate(MOST_AXES - usize::from(has_methods));
    names.reverse();
    if has_methods {
        names.insert(0, METHOD);
    }
    let sorted = points.lazy().sort([VALUE], points.best_first());
    let (best, others) =
        (sorted.clone().limit(MOST_BEST), sampled(sorted.slice(MOST_BEST.into(), u32::MAX), MOST_LINES - MOST_BEST));
    let table = best.collect()?.vstack(&others.collect()?)?;
    if names.len() < 2 || table.height() < FEWEST_LINES {
        return Ok(None);
    }
    let mut axes = Vec::new();
    let mut columns = Vec::new();
    for name in &names {
        let (axis, column) = axis(points, name, &table)?;
        axes.push(axis);
        columns.push(column);
    }
    let objective = &points.objective;
    axes.push(ParallelAxis { name: objective.name.clone(), unit: objective.unit, scale: objective.scale, words: None });
    columns.push(numbers(&table, VALUE)?);
    let jobs = words(&table, "job")?;
    let methods = words(&table, METHOD)?;
    let line = |(row, (job, method)): (usize, (Option<String>, Option<String>))| ParallelLine {
        job: job.unwrap_or_default(),
        method: method.unwrap_or_default(),
        values: columns.iter().map(|column| column[row]).collect(),
    };
    // The best are drawn last, above the others.
    let lines: Vec<ParallelLine> = jobs.into_iter().zip(methods).enumerate().map(line).rev().collect();
    let n = shown(lines.len() as u64, points.len(), "point");
    let sample = if (lines.len() as u64) < points.len() { ": the best ones and a sample of the others" } else { "" };
    let has_none = columns.iter().flatten().any(Option::is_none);
    let none = if has_none { "; n/a: the recipe has no such parameter" } else { "" };
    let order = if ranking.is_empty() { "" } else { " Parameters further right matter more." };
    Ok(Some(Chart {
        slug: "parallel".to_owned(),
        title: "All parameters at once".to_owned(),
        caption: format!(
            "A line for each point, coloured by the {}{none}.{order} {n}{sample}, {}.",
            objective.name,
            examples(summary, &summary.splits.select)
        ),
        data: ChartData::Parallel { axes, lines, total: points.len() },
    }))
}

fn axis(points: &Points, name: &str, table: &DataFrame) -> PolarsResult<(ParallelAxis, Vec<Option<f64>>)> {
    let parameter = points.parameters.iter().find(|parameter| parameter.name == name);
    let list = match parameter {
        Some(parameter) => parameter.words.clone(),
        None => Some(points.methods.iter().map(|method| method.0.clone()).collect()),
    };
    let title = if name == METHOD { "method" } else { name };
    let axis = |words| ParallelAxis {
        name: title.to_owned(),
        unit: super::AxisUnit::None,
        scale: parameter.map_or(super::AxisScale::Linear, super::parameter::Parameter::scale),
        words,
    };
    let Some(list) = list else { return Ok((axis(None), numbers(table, name)?)) };
    let place = |word: Option<String>| list.iter().position(|known| Some(known) == word.as_ref()).map(|at| at as f64);
    let values = words(table, name)?.into_iter().map(place).collect();
    Ok((axis(Some(list)), values))
}
