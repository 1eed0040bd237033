use super::{
    Chart, ChartData, NamedPoint,
    caption::{examples, short, shown},
    points::{MEAN, METHOD, Points, VALUE, WORST, look_of, numbers, sampled, words},
};
use crate::{Summary, metric::in_words};
use polars::prelude::{DataFrame, IntoLazy, NamedFrom, PolarsResult, Series, SortMultipleOptions, col, not};

/// Points beside the front that are drawn.
const MOST_OTHERS: u32 = 1500;
/// Fewer have no front to speak of.
const FEWEST_POINTS: usize = 3;
const IN_FRONT: &str = "in front";

/// The worst task over the mean of tasks, or the second goal over the first one, with the points that no other beats in both.
pub(super) fn chart(points: &Points, summary: &Summary) -> PolarsResult<Option<Chart>> {
    let descending = SortMultipleOptions::default().with_order_descending(true).with_maintain_order(true);
    let mut table = points
        .lazy()
        .filter(col(MEAN).is_finite().and(col(WORST).is_finite()))
        .sort([MEAN, WORST], descending)
        .collect()?;
    if table.height() < FEWEST_POINTS || summary.tasks.len() < 2 {
        return Ok(None);
    }
    let mut highest = f64::NEG_INFINITY;
    let in_front: Vec<bool> = numbers(&table, WORST)?
        .into_iter()
        .map(|worst| {
            let is_higher = worst.is_some_and(|worst| worst > highest);
            highest = worst.map_or(highest, |worst| worst.max(highest));
            is_higher
        })
        .collect();
    table.with_column(Series::new(IN_FRONT.into(), in_front).into())?;
    let front = table.clone().lazy().filter(col(IN_FRONT)).reverse().collect()?;
    let others = sampled(table.clone().lazy().filter(not(col(IN_FRONT))), MOST_OTHERS).collect()?;
    let mut named = named(points, &front, summary)?;
    named.extend(self::named(points, &others, summary)?);
    let total = table.height() as u64;
    let n = shown(named.len() as u64, total, "point");
    let [x, y] = points.of_tasks.clone();
    Ok(Some(Chart {
        slug: "pareto".to_owned(),
        title: match summary.goals.as_slice() {
            [first, second, ..] => format!("Trade-off: {} against {}", in_words(second), in_words(first)),
            _ => "Worst task against mean".to_owned(),
        },
        caption: format!(
            "{} {n}, {}.",
            match front.height() as u64 {
                1 => "No other point beats the one in front in both.".to_owned(),
                count =>
                    format!("The line joins the {} that no other point beats in both.", shown(count, count, "point")),
            },
            examples(summary, &summary.splits.select)
        ),
        data: ChartData::Pareto { x, y, points: named, front: (0..front.height()).collect(), total },
    }))
}

/// Points with their search and the values of its parameters.
fn named(points: &Points, table: &DataFrame, summary: &Summary) -> PolarsResult<Vec<NamedPoint>> {
    let mut parts: Vec<Vec<Option<String>>> = Vec::new();
    for parameter in &points.parameters {
        let of_row = |value: Option<String>| Some(format!("{} {}", parameter.name, value?));
        let values: Vec<Option<String>> = match parameter.words {
            None => numbers(table, &parameter.name)?.into_iter().map(|value| value.map(short)).collect(),
            Some(_) => words(table, &parameter.name)?,
        };
        parts.push(values.into_iter().map(of_row).collect());
    }
    let methods = words(table, METHOD)?;
    let values = numbers(table, VALUE)?;
    let means = numbers(table, MEAN)?;
    let worsts = numbers(table, WORST)?;
    let chosen = summary.best().and_then(|row| Some((row.name.as_str(), row.value?)));
    let point = |row: usize| {
        let method = methods[row].as_deref().unwrap_or("other");
        let parts: Vec<&str> = parts.iter().filter_map(|part| part[row].as_deref()).collect();
        let is_chosen = chosen.is_some_and(|(name, value)| {
            name == method && values[row].is_some_and(|of_row| (of_row - value).abs() < 1e-12)
        });
        let name = if parts.is_empty() { method.to_owned() } else { format!("{method}: {}", parts.join(", ")) };
        Some(NamedPoint {
            name,
            x: means[row]?,
            y: worsts[row]?,
            x_interval: None,
            y_interval: None,
            is_chosen,
            look: look_of(method, points, summary),
        })
    };
    Ok((0..table.height()).filter_map(point).collect())
}
