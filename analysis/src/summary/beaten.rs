use super::{Kind, Summary, SummaryRow};
use crate::{
    Results,
    summary::Own,
    tables::{Verdict, Weighting, pairs_of},
};
use jobs::Outcome;
use serde::Serialize;

/// A row that was not chosen from, and is better than the chosen one by the objective on the selection split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Better {
    /// Its name.
    pub name: String,
    /// What it stands for: a baseline or the base model.
    pub kind: Kind,
    /// The objective's value on the selection split.
    pub value: f64,
    /// By how much that is better than the chosen row's: above 0, whichever way is better.
    pub by: f64,
    /// Whether the examples of the selection split do not tell which is better by the objective, by the paired bootstrap
    /// (by mean accuracies for hits of the joint benchmark); `null` where results do not say which examples were right, and
    /// where one of the two has replicates, whose values are means over seeds.
    pub is_tie: Option<bool>,
}

/// The rows that beat the chosen one without having been searched for, the best first.
///
/// Single adapters are no model that does all tasks: what they reach is no matter of choice.
pub(super) fn beaten_by(rows: &[SummaryRow], outcome: &Outcome, results: &Results) -> Vec<Better> {
    let Some((chosen, best)) = rows.iter().find(|row| row.is_chosen).and_then(|row| Some((row, row.value?))) else {
        return Vec::new();
    };
    let rivals = rows.iter().filter(|row| matches!(row.kind, Kind::ZeroShot | Kind::Baseline));
    let own = Own::of_split(outcome, results, &outcome.select);
    let weighting = Weighting::by(&outcome.objective.metric, &own.accuracies);
    let better = rivals.filter_map(|row| Some((row, row.value?)));
    let mut better: Vec<Better> = better
        .filter(|(_, value)| outcome.objective.compare(*value, best).is_gt())
        .map(|(row, value)| (row, value, row.replicates.is_none() && chosen.replicates.is_none()))
        .map(|(row, value, has_one_seed)| Better {
            name: row.name.clone(),
            kind: row.kind,
            value,
            by: (value - best).abs(),
            is_tie: has_one_seed
                .then(|| pairs_of([&row.name, &chosen.name], &outcome.select, outcome, results))
                .flatten()
                .and_then(|pairs| pairs.verdict(&weighting))
                .map(|Verdict { difference, .. }| difference.is_tie()),
        })
        .collect();
    better.sort_by(|one, other| outcome.objective.compare(other.value, one.value));
    better
}

impl Summary {
    /// Which rows are better than the chosen one, in a sentence without a full stop; `None` if none is. `metric` is
    /// what the objective is called, and `said` writes its values.
    pub(crate) fn beaten(&self, metric: &str, said: impl Fn(f64) -> String) -> Option<String> {
        let chosen = self.best()?;
        let [first, others @ ..] = &self.beaten_by[..] else { return None };
        let said_of = |better: &Better| format!("{} ({})", better.name, said(better.value));
        let named = |better: &Better| match better.kind {
            Kind::ZeroShot => format!("the base model, {},", said_of(better)),
            Kind::Finetuned | Kind::Baseline | Kind::Ensemble | Kind::Learned | Kind::Search => {
                format!("the baseline {}", said_of(better))
            }
        };
        let better = match others {
            [] => format!("{} is better", named(first)),
            [second] if first.kind == second.kind => {
                format!("{} and {} are better", named(first).replacen("baseline", "baselines", 1), said_of(second))
            }
            [second] => format!("{} and {} are better", named(first), named(second)),
            [second, rest @ ..] => {
                format!("{}, {} and {} more are better", named(first), named(second), rest.len())
            }
        };
        let choice = match chosen.kind {
            Kind::Learned | Kind::Search => "; only what was searched or learned is chosen",
            Kind::ZeroShot | Kind::Finetuned | Kind::Baseline | Kind::Ensemble => "",
        };
        let tie = match first.is_tie {
            Some(true) => format!("; on the same examples {} and {} are a tie", first.name, chosen.name),
            _ => String::new(),
        };
        let value = chosen.value.map(|value| format!(" ({})", said(value))).unwrap_or_default();
        let name = &chosen.name;
        let select = &self.splits.select;
        Some(format!("{name}{value} is not the best by {metric} on {select}: {better}{choice}{tie}"))
    }
}
