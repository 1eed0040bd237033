use super::{
    CurvePoint, CurveSeries, Picture, PictureData,
    caption::{counted, examples, shown},
    parameter::Parameter,
    points::{METHOD, Points, VALUE, numbers, words},
    slug,
};
use crate::Summary;
use polars::prelude::{DataFrame, PolarsResult, QuantileMethod, col, lit};

/// Values of a parameter that are told apart.
const MOST_VALUES: usize = 24;
/// Curves that can be told apart.
const MOST_CURVES: usize = 8;
/// Points at a value from which on their quartiles say more than their ends.
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
pub(super) fn pictures(points: &Points, summary: &Summary) -> PolarsResult<Vec<Picture>> {
    let mut pictures = Vec::new();
    for parameter in points.numbers() {
        pictures.extend(picture(points, parameter, summary)?);
    }
    Ok(pictures)
}

fn picture(points: &Points, parameter: &Parameter, summary: &Summary) -> PolarsResult<Option<Picture>> {
    let varied: Vec<&str> = points.methods.iter().map(|method| method.0.as_str()).collect();
    let varied: Vec<&str> = varied.into_iter().filter(|method| parameter.tried_by(method) > 1).collect();
    let (xs, place) = parameter.places(MOST_VALUES);
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
    let of = |method: &&str| {
        let points: Vec<CurvePoint> = rows.iter().filter(|row| row.0 == **method).map(|row| row.1).collect();
        (points.len() > 1).then(|| CurveSeries { name: (*method).to_owned(), points })
    };
    let series: Vec<CurveSeries> = varied.iter().take(MOST_CURVES).filter_map(of).collect();
    if series.is_empty() {
        return Ok(None);
    }
    let n: u64 = series.iter().flat_map(|series| &series.points).map(|point| point.n).sum();
    let name = &parameter.name;
    let mut caption = vec![said(band, name, points.parameters.len() > 1)];
    caption.push(format!("{}, {}.", shown(n, n, "point"), examples(summary, &summary.splits.select)));
    if parameter.values.len() > MOST_VALUES {
        let values = counted(parameter.values.len() as u64);
        caption.push(format!("The {values} values of {name} are taken together in {MOST_VALUES} ranges."));
    }
    if varied.len() > series.len() {
        let n = shown(series.len() as u64, varied.len() as u64, "method");
        caption.push(format!("The curves are of {n}."));
    }
    Ok(Some(Picture {
        slug: format!("curve-{}", slug(name)),
        title: format!("Objective over {name}"),
        caption: caption.join(" "),
        data: PictureData::Curve { x: parameter.axis(), y: points.objective.clone(), series },
    }))
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

fn said(band: Band, name: &str, has_others: bool) -> String {
    match band {
        Band::Seeds => format!("Best mean over seeds at each {name}; the band is ± one standard deviation over seeds."),
        Band::Quartiles => {
            format!("Best at each {name}; the band holds the middle half (quartiles) of all points there.")
        }
        Band::Ends => format!("Best at each {name}; the band reaches from the worst to the best point there."),
        Band::None if has_others => format!("Value at each {name}; one point each."),
        Band::None => format!("Value at each {name}."),
    }
}

/// The points of all curves, each with its search.
fn rows(table: &DataFrame, xs: &[f64], band: Band) -> PolarsResult<Vec<(String, CurvePoint)>> {
    let (methods, places, best) = (words(table, METHOD)?, numbers(table, "x")?, numbers(table, "y")?);
    let (counts, deviations) = (numbers(table, "n")?, numbers(table, "sd")?);
    let ends = |low: &str, high: &str| PolarsResult::Ok((numbers(table, low)?, numbers(table, high)?));
    let (lows, highs) = match band {
        Band::Quartiles => ends("lower quartile", "upper quartile")?,
        _ => ends("min", "max")?,
    };
    let row = |row: usize| {
        let (method, y) = (methods[row].clone()?, best[row]?);
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
