use crate::CoordinatorError;
use jobs::{Recipe, Replicates, Sweep};

/// A fixed recipe of a sweep.
#[derive(Debug)]
pub(super) struct FixedRecipe {
    pub(super) name: String,
    pub(super) recipe: Recipe,
    pub(super) replicates: Option<Replicates>,
}

/// The fixed recipes of `sweep`.
pub(super) fn baselines(sweep: &Sweep) -> Result<Vec<FixedRecipe>, CoordinatorError> {
    let baselines = sweep.baselines.iter().map(|baseline| {
        let name = baseline.name.clone();
        match baseline.recipe.resolve() {
            Ok(recipe) => Ok(FixedRecipe { name, recipe, replicates: baseline.replicates.clone() }),
            Err(source) => Err(CoordinatorError::Baseline { name, source }),
        }
    });
    baselines.collect()
}
