//! The recipes of searches and baselines.

use crate::{
    RecipeSpec, SweepError, Task,
    sweep::file::{MethodFile, SweepFile},
};

/// Resolves a recipe, and refuses one that is defined for another number of tasks, or whose weights leave nothing to merge.
pub(super) fn resolved(spec: &RecipeSpec, path: String, tasks: &[Task]) -> Result<(), SweepError> {
    let recipe = match spec.resolve() {
        Ok(recipe) => recipe,
        Err(source) => return Err(SweepError::Recipe { path, source }),
    };
    let method = recipe.combine.name();
    if let Some(expected) = recipe.combine.task_count()
        && expected != tasks.len()
    {
        let names = tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = tasks.len();
        let problem = format!("merges by `{method}`, which takes {expected} tasks, and the sweep has {found}: {names}");
        return Err(SweepError::invalid(path, problem));
    }
    if recipe.combine.weights_are_places() && tasks.iter().all(|task| recipe.weight(&task.name) <= 0.0) {
        let problem = format!("merges by `{method}` with a weight of 0 for every task, which leaves nothing to merge");
        return Err(SweepError::invalid(path, problem));
    }
    Ok(())
}

/// What is wrong with the recipes of a file by themselves, whatever its tasks are. A portfolio's recipe has a meaning only with the presets.
pub(super) fn recipe_errors(file: &SweepFile) -> Vec<SweepError> {
    let is_portfolio = file.method == Some(MethodFile::Portfolio);
    let own = file.recipe.iter().map(|recipe| ("recipe".to_owned(), recipe));
    let listed = file.searches.iter().enumerate().map(|(i, search)| (format!("searches[{i}].recipe"), &search.recipe));
    let wrong = |(path, recipe): (String, &RecipeSpec)| match recipe.resolve() {
        Ok(_) => None,
        Err(source) => Some(SweepError::Recipe { path, source }),
    };
    own.chain(listed).filter(|_| !is_portfolio).filter_map(wrong).collect()
}
