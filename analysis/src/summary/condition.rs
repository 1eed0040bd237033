//! Merges that rounding decides a part of.

use super::SummaryRow;
use jobs::{Combine, MergeFacts, RESIDUAL_LIMIT, Recipe};

/// A sentence for each row whose merge inverted a matrix that is too close to a singular one, and one for each whose
/// solution does not fulfil its equations.
pub(super) fn ill_conditioned(rows: &[SummaryRow]) -> Vec<String> {
    rows.iter().flat_map(|row| condition_of(row).into_iter().chain(residual_of(row))).collect()
}

fn condition_of(row: &SummaryRow) -> Option<String> {
    let Solved { recipe, facts } = solved(row)?;
    let condition = facts.condition?;
    let limit = recipe.condition_limit().filter(|limit| condition > *limit)?;
    Some(format!(
        "the Gram matrices of `{}` have a condition number of {condition:.1e} (ridge {}{}), above {limit:.0e}: rounding decides a \
         part of the merge, and another machine may get other numbers; {}",
        row.name,
        ridge(recipe),
        facts.residual.map(|residual| format!(", residual {residual:.1e}")).unwrap_or_default(),
        way_out(recipe)
    ))
}

fn residual_of(row: &SummaryRow) -> Option<String> {
    let Solved { recipe, facts } = solved(row)?;
    let residual = facts.residual.filter(|residual| *residual > RESIDUAL_LIMIT)?;
    Some(format!(
        "the merge of `{}` does not fulfil its own equations: the relative residual of a weight is {residual:.1e}, above \
         {RESIDUAL_LIMIT:.0e}, so that its numbers are noise; {}",
        row.name,
        way_out(recipe)
    ))
}

/// A merge that solved systems.
struct Solved<'a> {
    recipe: &'a Recipe,
    facts: &'a MergeFacts,
}

fn solved(row: &SummaryRow) -> Option<Solved<'_>> {
    Some(Solved { recipe: row.canonical.as_ref()?, facts: row.merge.as_ref()? })
}

fn way_out(recipe: &Recipe) -> &'static str {
    if recipe.merges_by_data() { "lower `off_diagonal` or set a `ridge`" } else { "set a `ridge`" }
}

fn ridge(recipe: &Recipe) -> f64 {
    if let Combine::GramMerge { ridge, .. } = recipe.combine { ridge } else { 0.0 }
}
