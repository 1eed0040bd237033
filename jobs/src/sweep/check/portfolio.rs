//! The search of `method: portfolio`.

use crate::{Evaluation, Parameter, Preset, RecipeSpec, SweepError, Task, Values, sweep::portfolio::fitting_presets};
use serde_json::{Map, Value};

/// The name of a portfolio that has none.
pub(super) const PORTFOLIO: &str = "portfolio";

/// Refuses parameters other than `preset`.
pub(super) fn check_portfolio_keys(path: &str, parameters: &Map<String, Value>) -> Result<(), SweepError> {
    match parameters.keys().find(|key| *key != "preset") {
        None => Ok(()),
        Some(other) => {
            let problem = "has no effect with `method: portfolio`, which refines the best presets by itself; only `preset` can be \
                           given";
            Err(SweepError::invalid(format!("{path}.{other}"), problem))
        }
    }
}

/// The presets that a portfolio tries, as a parameter: those that the file lists, or all that fit the sweep.
///
/// `recipe` are the keys that every preset is tried with.
pub(super) fn portfolio_parameters(
    prefix: &str,
    recipe: &RecipeSpec,
    parameters: Vec<Parameter>,
    evaluation: &Evaluation,
    tasks: &[Task],
) -> Result<Vec<Parameter>, SweepError> {
    let set = [("preset", recipe.preset.is_some()), ("scaling", recipe.scaling.is_some())];
    if let Some((key, _)) = set.into_iter().find(|(_, is_set)| *is_set) {
        let problem = "has no effect with `method: portfolio`, which tries presets, each with a λ of its own; list the presets \
                       in `parameters.preset`, or take another method";
        return Err(SweepError::invalid(format!("{prefix}recipe.{key}"), problem));
    }
    if let Some(Parameter { values, .. }) = parameters.first() {
        let is_name = |value: &&Value| value.as_str().is_some_and(|name| name.parse::<Preset>().is_ok());
        let values = values.listed().unwrap_or_default();
        if let Some(other) = values.iter().find(|value| !is_name(value)) {
            let problem = format!("has {other}, which names no preset; former names are not known here");
            return Err(SweepError::invalid(format!("{prefix}parameters.preset"), problem));
        }
        return Ok(parameters);
    }
    let names: Vec<Value> =
        fitting_presets(recipe, evaluation, tasks).into_iter().map(|preset| preset.name().into()).collect();
    if names.is_empty() {
        return Err(SweepError::invalid(format!("{prefix}recipe"), "fits no preset; leave out its keys"));
    }
    Ok(vec![Parameter { key: "preset".to_owned(), values: Values::List(names) }])
}
