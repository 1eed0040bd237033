use super::{
    Chart, ChartData, CurvePoint, CurveSeries,
    caption::{counted, examples, shown},
    parameter::Parameter,
    points::{METHOD, Points, VALUE, look_of, numbers, words},
    slug,
};
use crate::Summary;
use polars::prelude::{DataFrame, PolarsResult, QuantileMethod, col, lit};

/// The most values of a parameter that are drawn one by one.
const MOST_VALUES: usize = 24;
/// The same where each has one point, so that nothing is taken together by chance.
const MOST_ALONE: usize = 100;
/// The most curves that remain distinguishable.
const MOST_CURVES: usize = 8;
/// From so many points at a value on, the band shows quartiles instead of the extremes.
const MANY: f64 = 8.0;

/// What the band of a curve is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Band {
    Seeds,
    Quartiles,
    Ends,
    None,
}

/// A curve for each parameter that is a number.
pub(super) fn charts(points: &Points, summary: &Summary) -> PolarsResult<Vec<Chart>> {
    let mut charts = Vec::new();
    for parameter in points.numbers() {
        charts.extend(chart(points, parameter, summary)?);
    }
    Ok(charts)
}

fn chart(points: &Points, parameter: &Parameter, summary: &Summary) -> PolarsResult<Option<Chart>> {
    let varied: Vec<&str> = points.methods.iter().map(|method| method.0.as_str()).collect();
    let varied: Vec<&str> = varied.into_iter().filter(|method| parameter.tried_by(method) > 1).collect();
    let most = most_values(points, parameter);
    let is_ranges = parameter.values.len() > most;
    let (xs, place) = parameter.places(most);
    let quartile = |share: f64| col(VALUE).quantile(lit(share), QuantileMethod::Linear);
    let table = points
        .over_seeds()
        .filter(col(parameter.name.as_str()).is_not_null())
        .with_columns([place.alias("x")])
        .group_by([col(METHOD), col("x")])
        .agg([
            points.best(col(VALUE)).alias("y"),
            col("sd").sort_by([col(VALUE)], points.best_first()).first().alias("sd"),
            quartile(0.25).alias("lower quartile"),
            quartile(0.75).alias("upper quartile"),
            col(VALUE).min().alias("min"),
            col(VALUE).max().alias("max"),
            col("n").sum().alias("n"),
        ])
        .sort([METHOD, "x"], Default::default())
        .collect()?;
    let band = band(points, &table)?;
    let rows = rows(&table, &xs, band)?;
    let all = points;
    let of = |method: &&str| {
        let points: Vec<CurvePoint> = rows.iter().filter(|row| row.0 == **method).map(|row| row.1).collect();
        (points.len() > 1).then(|| CurveSeries {
            name: (*method).to_owned(),
            look: look_of(method, all, summary),
            points,
        })
    };
    let series: Vec<CurveSeries> = varied.iter().take(MOST_CURVES).filter_map(of).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let n: u64 = series.iter().flat_map(|series| &series.points).map(|point| point.n).sum();
    let name = &parameter.name;
    let mut caption = vec![said(band, name, is_ranges, points.parameters.len() > 1)];
    caption.push(format!("{}, {}.", shown(n, n, "point"), examples(summary, &summary.splits.select)));
    if is_ranges {
        let values = counted(parameter.values.len() as u64);
        caption.push(format!("The {values} values of {name} are taken together in {most} ranges."));
    }
    if varied.len() > series.len() {
        let n = shown(series.len() as u64, varied.len() as u64, "method");
        caption.push(format!("The curves are of {n}."));
    }
    Ok(Some(Chart {
        slug: format!("curve-{}", slug(name)),
        title: format!("Objective over {name}"),
        caption: caption.join(" "),
        data: ChartData::Curve { x: parameter.axis(), y: points.objective.clone(), series },
    }))
}

/// The number of values that are drawn one by one. Of values that were drawn, each is tried once: in ranges too narrow
/// the best of a few points would look like a trend.
fn most_values(points: &Points, parameter: &Parameter) -> usize {
    let methods = points.methods.iter().filter(|(method, _)| parameter.tried_by(method) > 1);
    let count = methods.map(|(_, count)| *count).max().unwrap_or_default();
    let values = parameter.values.len();
    let is_alone = points.parameters.len() == 1;
    match values {
        _ if values <= MOST_VALUES || (is_alone && values > MOST_ALONE) => MOST_VALUES,
        _ if is_alone => MOST_ALONE,
        _ if count < 2 * values as u64 => ((count as f64).sqrt() as usize).clamp(4, MOST_VALUES),
        _ => MOST_VALUES,
    }
}

fn band(points: &Points, table: &DataFrame) -> PolarsResult<Band> {
    let mut counts: Vec<f64> = numbers(table, "n")?.into_iter().flatten().collect();
    counts.sort_by(f64::total_cmp);
    Ok(match (counts.get(counts.len() / 2), counts.last()) {
        _ if points.has_seeds() => Band::Seeds,
        (Some(middle), _) if *middle >= MANY => Band::Quartiles,
        (_, Some(most)) if *most > 1.0 => Band::Ends,
        _ => Band::None,
    })
}

fn said(band: Band, name: &str, is_ranges: bool, has_others: bool) -> String {
    let at = format!("{} {name}", if is_ranges { "in each range of" } else { "at each" });
    match band {
        Band::Seeds => format!("Best mean over seeds {at}; the band is ± one standard deviation over seeds."),
        Band::Quartiles => {
            format!("Best {at}; the band holds the middle half (quartiles) of all points there.")
        }
        Band::Ends => format!("Best {at}; the band reaches from the worst to the best point there."),
        Band::None if has_others => format!("Value {at}; one point each."),
        Band::None => format!("Value {at}."),
    }
}

/// The points of all curves, each with its search.
fn rows(table: &DataFrame, xs: &[f64], band: Band) -> PolarsResult<Vec<(String, CurvePoint)>> {
    let methods = words(table, METHOD)?;
    let places = numbers(table, "x")?;
    let best = numbers(table, "y")?;
    let counts = numbers(table, "n")?;
    let deviations = numbers(table, "sd")?;
    let ends = |low: &str, high: &str| PolarsResult::Ok((numbers(table, low)?, numbers(table, high)?));
    let (lows, highs) = match band {
        Band::Quartiles => ends("lower quartile", "upper quartile")?,
        Band::Seeds | Band::Ends | Band::None => ends("min", "max")?,
    };
    let row = |row: usize| {
        let method = methods[row].clone()?;
        let y = best[row]?;
        let x = *xs.get(places[row]? as usize)?;
        let (low, high) = match band {
            Band::Seeds => (deviations[row].map(|sd| y - sd), deviations[row].map(|sd| y + sd)),
            Band::Quartiles | Band::Ends => (lows[row], highs[row]),
            Band::None => (None, None),
        };
        let n = counts[row].unwrap_or_default() as u64;
        Some((method, CurvePoint { x, y, low, high, n }))
    };
    Ok((0..table.height()).filter_map(row).collect())
}
