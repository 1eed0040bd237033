//! Seeds with which a recipe is evaluated.

use crate::{Parameter, RecipeSpec, Replicates, SweepError, sweep::read::typed};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads `value` at `path` as the replicates of a recipe with these parameters.
pub(super) fn check_replicates(
    path: &str,
    value: Option<Value>,
    recipe: &RecipeSpec,
    parameters: &[Parameter],
) -> Result<Option<Replicates>, SweepError> {
    let Some(value) = value else { return Ok(None) };
    let refuse = |problem: String| Err(SweepError::invalid(path, problem));
    let map: BTreeMap<String, u32> = typed(value, path)?;
    let replicates = match Replicates::try_from(map) {
        Ok(replicates) => replicates,
        Err(error) => return refuse(error.to_string()),
    };
    let key = &replicates.key;
    if parameters.iter().any(|parameter| parameter.key == *key) {
        return refuse(format!("has `{key}`, which is one of the `parameters` as well; take it out of one of them"));
    }
    if !may_draw(&replicates, recipe, parameters) {
        return refuse(format!("has no effect: the recipe draws nothing by `{key}`"));
    }
    Ok(Some(replicates))
}

/// Whether the recipe draws, as it is or with one of the values of a parameter.
fn may_draw(replicates: &Replicates, recipe: &RecipeSpec, parameters: &[Parameter]) -> bool {
    let draws = |spec: &RecipeSpec| spec.resolve().is_ok_and(|recipe| replicates.draws(&recipe));
    let with = |key: &str, value: &Value| {
        let mut spec = recipe.clone();
        spec.set(key, value).is_ok() && draws(&spec)
    };
    let draws_with_a_value = |Parameter { key, values }: &Parameter| match values {
        crate::Values::List(values) => values.iter().any(|value| with(key, value)),
        crate::Values::Continuous { max, .. } => with(key, &Value::from(*max)),
    };
    draws(recipe) || parameters.iter().any(draws_with_a_value)
}
