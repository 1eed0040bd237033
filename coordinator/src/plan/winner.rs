use super::{known::Known, pending::PendingJob};
use jobs::{Outcome, Recipe, Row, RowKind, SeedRun, WriteFormat};

/// The job that writes the winner. None if there is no winner, or if an adapter cannot hold it.
pub(super) fn write_job(known: &Known, outcome: &Outcome) -> Option<PendingJob> {
    let winner = winner(known, outcome)?;
    if !winner.recipe.is_low_rank() {
        return None;
    }
    Some(PendingJob::write(format!("write {}", winner.name), winner.recipe, WriteFormat::Adapter))
}

/// The recipe that a sweep has chosen.
struct Winner<'a> {
    name: &'a str,
    recipe: &'a Recipe,
    value: f64,
}

/// The row with the best value on the selection split: among the searches and learned merges, or among the fixed recipes if
/// nothing is searched or learned. The value of a row with replicates is the mean over its seeds: the best of several seeds is better by chance.
///
/// None while points are missing: an unknown point may be better than all others.
fn winner<'a>(known: &Known, outcome: &'a Outcome) -> Option<Winner<'a>> {
    if outcome.missing > 0 {
        return None;
    }
    let is_chosen = |row: &Row| matches!(row.kind, RowKind::Search { .. } | RowKind::Learned { .. });
    let is_searched = outcome.rows.iter().any(is_chosen);
    let mut best: Option<Winner<'a>> = None;
    for row in &outcome.rows {
        let recipe = match &row.kind {
            RowKind::Search { recipe, .. } | RowKind::Learned { recipe, .. } => recipe,
            RowKind::Baseline { recipe, .. } if !is_searched => recipe,
            RowKind::ZeroShot | RowKind::Finetuned | RowKind::Baseline { .. } | RowKind::Ensemble { .. } => continue,
        };
        let Some(value) = value(known, row, &outcome.select) else { continue };
        // The first row wins a tie.
        if best.as_ref().is_none_or(|best| outcome.objective.compare(value, best.value).is_gt()) {
            best = Some(Winner { name: &row.name, recipe, value });
        }
    }
    best
}

/// The value of a row on the selection split.
fn value(known: &Known, row: &Row, select: &str) -> Option<f64> {
    let Some(replicates) = &row.replicates else {
        let jobs = row.jobs.get(select).into_iter().flatten();
        return jobs.filter_map(|job| known.value(job)).next();
    };
    let of_seed = |run: &SeedRun| run.jobs.get(select).and_then(|job| known.value(job));
    let values: Vec<f64> = replicates.runs.iter().map(of_seed).collect::<Option<_>>()?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}
