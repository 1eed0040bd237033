use crate::{Kind, Summary, SummaryRow, fixed, metric::in_words, number::without_negative_zero};
use jobs::RecipeSpec;
use serde::Serialize;

/// What was chosen, how good it is, and beside what.
#[derive(Debug, Serialize)]
pub(super) struct Headline<'a> {
    name: &'a str,
    metric: String,
    /// Whether it leads in a sweep that has not finished.
    leads: bool,
    why: String,
    /// Which rows are better than the chosen one, and were not chosen from.
    beaten: Option<String>,
    splits: Vec<OnSplit<'a>>,
    /// The split whose values `others` compares.
    compared_on: &'a str,
    others: Vec<Other<'a>>,
    /// The recipe as YAML.
    recipe: Option<String>,
}

/// The value of the chosen row on one split.
#[derive(Debug, Serialize)]
struct OnSplit<'a> {
    name: &'a str,
    role: &'static str,
    value: f64,
    low: Option<f64>,
    high: Option<f64>,
    n: u64,
}

/// Another row.
#[derive(Debug, Serialize)]
struct Other<'a> {
    role: String,
    name: &'a str,
    value: f64,
    /// The chosen row's value less this one's.
    difference: f64,
}

impl<'a> Headline<'a> {
    /// `None` if nothing was chosen.
    pub(super) fn of(summary: &'a Summary) -> Option<Self> {
        let chosen = summary.best()?;
        let select = summary.splits.select.as_str();
        let report = summary.splits.report.as_str();
        let roles: &[_] = if select == report {
            &[(select, "selected and reported on the same split")]
        } else {
            &[(select, "selection split"), (report, "report split")]
        };
        let metric = &summary.objective.metric;
        let on_split = |&(name, role): &(&'a str, &'static str)| {
            let split = chosen.splits.get(name)?;
            let (value, interval) = split.value(metric)?;
            let low = interval.map(|of| of.low);
            let high = interval.map(|of| of.high);
            Some(OnSplit { name, role, value, low, high, n: split.n })
        };
        let splits: Vec<OnSplit<'a>> = roles.iter().filter_map(on_split).collect();
        let compared_on = splits.last().map_or(report, |split| split.name);
        Some(Self {
            name: &chosen.name,
            metric: in_words(metric),
            leads: summary.so_far.is_some(),
            why: why(summary, chosen),
            beaten: summary.beaten(&in_words(metric), |value| format!("{}\u{a0}%", fixed(value * 100.0, 1))),
            others: splits.last().map_or_else(Vec::new, |on| others(summary, chosen, on)),
            splits,
            compared_on,
            recipe: chosen.recipe.as_ref().map(yaml),
        })
    }
}

fn why(summary: &Summary, chosen: &SummaryRow) -> String {
    let is_made = chosen.kind.is_made();
    let count =
        summary.rows.iter().filter(|row| if is_made { row.kind.is_made() } else { row.kind == chosen.kind }).count();
    let metric = in_words(&summary.objective.metric);
    let select = &summary.splits.select;
    match (chosen.kind, count) {
        (Kind::Search, 1) => format!("what the search found best by {metric} on {select}"),
        (Kind::Learned, 1) => "the only merge, with learned coefficients; nothing was searched".to_owned(),
        (Kind::Search | Kind::Learned, count) => {
            format!("the best of {count} {} by {metric} on {select}", summary.candidates())
        }
        (_, 1) => "the only recipe; nothing was searched".to_owned(),
        (_, count) => format!("the best of {count} fixed recipes by {metric} on {select}; nothing was searched"),
    }
}

/// The best of what is better than the chosen row by what the choice was made by, the best of what is not, and the two
/// ends of the scale.
fn others<'a>(summary: &'a Summary, chosen: &SummaryRow, on: &OnSplit<'_>) -> Vec<Other<'a>> {
    let objective = &summary.objective;
    let is_better = |row: &SummaryRow| summary.beaten_by.iter().any(|better| better.name == row.name);
    let rivals = summary.rows.iter().filter(|row| row.kind.is_merge() && row.name != chosen.name);
    let rivals = rivals.filter_map(|row| Some((row, row.value?)));
    let (better, others): (Vec<_>, Vec<_>) = rivals.partition(|(row, _)| is_better(row));
    // The first among equals.
    let best_of = |rows: Vec<(&'a SummaryRow, f64)>| {
        rows.into_iter().reduce(|best, row| if objective.compare(row.1, best.1).is_gt() { row } else { best })
    };
    let first_of = |kind| summary.rows.iter().find(|row| row.kind == kind);
    let better_on = format!("better on {}", summary.splits.select);
    let rows = [
        (better_on.as_str(), best_of(better).map(|(row, _)| row)),
        ("runner-up", best_of(others).map(|(row, _)| row)),
        ("zero-shot", first_of(Kind::ZeroShot)),
        ("fine-tuned", first_of(Kind::Finetuned)),
    ];
    let other = |(role, row): (&str, Option<&'a SummaryRow>)| {
        let row = row?;
        let (value, _) = row.splits.get(on.name)?.value(&objective.metric)?;
        Some(Other {
            role: role.to_owned(),
            name: &row.name,
            value,
            difference: without_negative_zero(on.value - value),
        })
    };
    rows.into_iter().filter_map(other).collect()
}

/// The recipe as it stands in a sweep file.
fn yaml(recipe: &RecipeSpec) -> String {
    #[derive(Serialize)]
    struct Lines<'a> {
        recipe: &'a RecipeSpec,
    }
    serde_saphyr::to_string(&Lines { recipe }).expect("a recipe is plain data with texts as keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_reads_back_from_yaml_as_the_same() {
        let recipe = RecipeSpec {
            preset: Some("knots_ties".to_owned()),
            scaling: Some(0.1 + 0.2),
            weights: [("yes: #no".to_owned(), 0.5)].into(),
            ..RecipeSpec::default()
        };
        #[derive(serde::Deserialize)]
        struct Lines {
            recipe: RecipeSpec,
        }
        let text = yaml(&recipe);
        assert!(text.starts_with("recipe:\n  preset: knots_ties\n  scaling: 0.30000000000000004\n"), "{text}");
        let read: Lines = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read.recipe, recipe);
    }
}
