use super::{baselines::baselines, known::measured, searches::Searches};
use crate::CoordinatorError;
use jobs::{Replicates, Sweep};

/// The largest number of jobs that `sweep` may need. Opens no input.
///
/// A job that several phases share counts once for each.
///
/// # Errors
/// As [`SweepPlan::new`](crate::SweepPlan::new).
pub fn bound(sweep: &Sweep) -> Result<u64, CoordinatorError> {
    // Baselines are counted from the sweep. Resolving them here reports invalid ones.
    baselines(sweep)?;
    Ok(bound_of(sweep, &Searches::new(sweep)?))
}

pub(super) fn bound_of(sweep: &Sweep, searches: &Searches) -> u64 {
    let select = &sweep.evaluation.select;
    let report = &sweep.evaluation.report;
    // The base model and the adapters alone.
    let references = |split: &str| 1 + measured(sweep, split).count();
    let seeds = |replicates: &Option<Replicates>| replicates.as_ref().map_or(1, |replicates| replicates.count as usize);
    let replicated: usize = sweep.baselines.iter().map(|baseline| seeds(&baseline.replicates)).sum();
    let given = replicated + sweep.ensembles.len();
    let chosen: usize = sweep.searches.iter().map(|search| seeds(&search.replicates)).sum();
    let mut fixed = references(select) + given;
    if report != select {
        fixed += references(report) + given + chosen;
    }
    let layerwise = sweep.layerwise_needs().len();
    fixed += sweep.tasks.len() * sweep.statistics_needs().len() + layerwise + sweep.train_jobs();
    // The job that learns, and evaluations where coefficients were tuned and where recipes are chosen and reported.
    fixed += sweep.learned.len() * if report == select { 3 } else { 4 };
    let recipes = (sweep.searches.len() + sweep.baselines.len()) as u64;
    let of_subsets = sweep.subsets.as_ref().map_or(0, |subsets| {
        // A subset of one task is a reference.
        let sizes = subsets.sizes.iter().filter(|size| **size > 1);
        sizes.map(|size| subsets.count(sweep.tasks.len() as u64, *size)).sum::<u64>()
    });
    // Which rows merge layer by layer is known only when they have chosen.
    let for_each = if layerwise > 0 { 2 } else { 1 };
    searches.bound().saturating_add(fixed as u64).saturating_add(recipes * of_subsets * for_each)
}
