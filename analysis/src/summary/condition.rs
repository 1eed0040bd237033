//! Merges that rounding decides a part of.

use super::SummaryRow;
use jobs::{Combine, Recipe};

/// A sentence for each row whose merge inverted a matrix that is too close to a singular one.
pub(super) fn ill_conditioned(rows: &[SummaryRow]) -> Vec<String> {
    rows.iter().filter_map(of_row).collect()
}

fn of_row(row: &SummaryRow) -> Option<String> {
    let recipe = row.canonical.as_ref()?;
    let condition = row.merge.as_ref()?.condition?;
    let limit = recipe.condition_limit().filter(|limit| condition > *limit)?;
    Some(format!(
        "the Gram matrices of `{}` have a condition number of {condition:.1e} (ridge {}), above {limit:.0e}: rounding decides a \
         part of the merge, and another machine may get other numbers; {}",
        row.name,
        ridge(recipe),
        if recipe.statistics().is_some() { "lower `off_diagonal` or set a `ridge`" } else { "set a `ridge`" }
    ))
}

fn ridge(recipe: &Recipe) -> f64 {
    if let Combine::GramMerge { ridge, .. } = recipe.combine { ridge } else { 0.0 }
}
