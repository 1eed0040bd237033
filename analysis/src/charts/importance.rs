use super::{
    Bar, Chart, ChartData,
    caption::{counted, examples},
    points::{METHOD, Points, VALUE, numbers, sampled, words},
};
use crate::{Feature, Importance, Summary, fixed};
use polars::prelude::PolarsResult;

/// Points that a forest is grown of.
const MOST_POINTS: u32 = 4000;
/// What a forest must foretell of the variance for its shares to mean something.
const FEWEST_EXPLAINED: f64 = 0.1;
const SEED: u64 = 0;

/// The importance of every parameter, and of the method if there are several; `None` if it cannot be estimated.
pub(super) fn importance(points: &Points) -> PolarsResult<Option<Importance>> {
    let table = sampled(points.lazy(), MOST_POINTS).collect()?;
    let mut features = Vec::new();
    for parameter in &points.parameters {
        let name = parameter.name.as_str();
        features.push(match parameter.words {
            None => Feature::numbers(name, &numbers(&table, name)?),
            Some(_) => Feature::words(name, &borrowed(&words(&table, name)?)),
        });
    }
    if points.methods.len() > 1 {
        features.push(Feature::words("method", &borrowed(&words(&table, METHOD)?)));
    }
    let values: Vec<f64> = numbers(&table, VALUE)?.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect();
    let found = Importance::of(&features, &values, SEED).ok();
    Ok(found.filter(|found| found.explained.is_some_and(|explained| explained >= FEWEST_EXPLAINED)))
}

fn borrowed(words: &[Option<String>]) -> Vec<Option<&str>> {
    words.iter().map(Option::as_deref).collect()
}

/// The bars; a single parameter has nothing to be compared with.
pub(super) fn chart(found: &Importance, points: &Points, summary: &Summary) -> Option<Chart> {
    if found.shares.len() < 2 {
        return None;
    }
    let r2 = found.explained;
    let sample = if found.runs < points.len() { format!(" of {}", counted(points.len())) } else { String::new() };
    Some(Chart {
        slug: "importance".to_owned(),
        title: "Importance of parameters".to_owned(),
        caption: format!(
            "Share of the variance of the {} that each parameter makes by itself (fANOVA on a random forest, \
             out-of-bag R² {}); {} % is left to interactions and noise. {}{sample} points, {}.",
            points.objective.name,
            fixed(r2.unwrap_or(f64::NAN), 2),
            fixed(found.rest * 100.0, 0),
            counted(found.runs),
            examples(summary, &summary.splits.select)
        ),
        data: ChartData::Importance {
            bars: found.shares.iter().map(|(name, share)| Bar { name: name.clone(), share: *share }).collect(),
            r2,
        },
    })
}
