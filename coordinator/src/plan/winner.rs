use super::{known::Known, pending::PendingJob};
use jobs::{Outcome, Recipe, RowKind, WriteFormat};

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

/// The row with the best value on the selection split: among the searches, or among the fixed recipes if nothing is
/// searched.
///
/// None while points are missing: an unknown point may be better than all others.
fn winner<'a>(known: &Known, outcome: &'a Outcome) -> Option<Winner<'a>> {
    if outcome.missing > 0 {
        return None;
    }
    let is_searched = outcome.rows.iter().any(|row| matches!(row.kind, RowKind::Search { .. }));
    let mut best: Option<Winner<'a>> = None;
    for row in &outcome.rows {
        let recipe = match &row.kind {
            RowKind::Search { recipe, .. } if is_searched => recipe,
            RowKind::Baseline { recipe, .. } if !is_searched => recipe,
            RowKind::Search { .. } | RowKind::Baseline { .. } => continue,
            RowKind::ZeroShot | RowKind::Finetuned | RowKind::Ensemble { .. } => continue,
        };
        let jobs = row.jobs.get(&outcome.select).into_iter().flatten();
        let Some(value) = jobs.filter_map(|job| known.value(job)).next() else { continue };
        // The first row wins a tie.
        if best.as_ref().is_none_or(|best| outcome.objective.compare(value, best.value).is_gt()) {
            best = Some(Winner { name: &row.name, recipe, value });
        }
    }
    best
}
