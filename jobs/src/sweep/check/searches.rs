//! The searches and their parameters.

use super::{
    method::{check_kinds_of_parameters, check_trials},
    pairs::check_pairs,
    portfolio::{PORTFOLIO, check_portfolio_keys, portfolio_parameters},
    recipe::resolved,
    replicates::check_replicates,
};
use crate::{
    Evaluation, Method, Parameter, RecipeSpec, Search, SweepError, Task, Values,
    statistics::decides_statistics,
    sweep::{
        file::{ParameterFile, SearchFile},
        read::typed,
    },
};
use serde_json::{Map, Value};

/// The search at top level, or the searches in their list.
pub(super) fn check_searches(file: SearchFiles, sweep: SearchedSweep<'_>) -> Result<Vec<Search>, SweepError> {
    let SearchFiles { recipe, parameters, replicates, searches } = file;
    if let Some(recipe) = recipe {
        if !searches.is_empty() {
            return Err(SweepError::invalid("searches", "stands beside `recipe`; use one way"));
        }
        let parameters = parameters.unwrap_or_default();
        let file = SearchFile { name: None, published: None, recipe, parameters, trials: None, replicates };
        let usual_name = if sweep.method == Method::Portfolio { PORTFOLIO } else { "recipe" };
        return Ok(vec![check_search(file, "", usual_name.to_owned(), sweep)?]);
    }
    let is_portfolio = sweep.method == Method::Portfolio && searches.is_empty();
    if is_portfolio {
        let recipe = RecipeSpec::default();
        let parameters = parameters.unwrap_or_default();
        let file = SearchFile { name: None, published: None, recipe, parameters, trials: None, replicates };
        return Ok(vec![check_search(file, "", PORTFOLIO.to_owned(), sweep)?]);
    }
    if parameters.is_some() {
        return Err(SweepError::invalid("parameters", "needs a `recipe` to change"));
    }
    if replicates.is_some() {
        let problem = "needs a `recipe` beside it; searches and baselines have `replicates` of their own";
        return Err(SweepError::invalid("replicates", problem));
    }
    let numbered = searches.into_iter().enumerate();
    numbered
        .map(|(i, file)| check_search(file, &format!("searches[{i}]."), format!("search {}", i + 1), sweep))
        .collect()
}

/// What a file says of its searches.
pub(super) struct SearchFiles {
    pub(super) recipe: Option<RecipeSpec>,
    pub(super) parameters: Option<Map<String, Value>>,
    pub(super) replicates: Option<Value>,
    pub(super) searches: Vec<SearchFile>,
}

/// What searches depend on.
#[derive(Clone, Copy)]
pub(super) struct SearchedSweep<'a> {
    pub(super) method: Method,
    pub(super) evaluation: &'a Evaluation,
    pub(super) tasks: &'a [Task],
}

/// The search whose keys begin with `prefix`.
fn check_search(
    file: SearchFile,
    prefix: &str,
    usual_name: String,
    sweep: SearchedSweep<'_>,
) -> Result<Search, SweepError> {
    let SearchedSweep { method, evaluation, tasks } = sweep;
    let SearchFile { name, published: _, recipe, parameters, trials, replicates } = file;
    let name = name.or_else(|| recipe.preset.clone()).unwrap_or(usual_name);
    check_trials(&format!("{prefix}trials"), trials, method)?;
    let path = format!("{prefix}parameters");
    if method == Method::Portfolio {
        check_portfolio_keys(&path, &parameters)?;
    }
    let mut parameters = check_parameters(&path, parameters, method)?;
    if method == Method::Portfolio {
        parameters = portfolio_parameters(prefix, &recipe, parameters, evaluation, tasks)?;
    }
    let search = Search { name, recipe, parameters, trials, replicates: None };
    // The keys of a portfolio's recipe may have a meaning only with the presets, each of which is tried.
    if method != Method::Portfolio {
        resolved(&search.recipe, format!("{prefix}recipe"), tasks)?;
    }
    try_values(&search, &path, tasks)?;
    check_kinds_of_parameters(&path, &search.parameters, method)?;
    check_pairs(&path, &search, method)?;
    let path = format!("{prefix}replicates");
    let replicates = check_replicates(&path, replicates, &search.recipe, &search.parameters)?;
    Ok(Search { replicates, ..search })
}

fn check_parameters(path: &str, map: Map<String, Value>, method: Method) -> Result<Vec<Parameter>, SweepError> {
    let parameter = |(key, value): (String, Value)| {
        let path = format!("{path}.{key}");
        let file = match value {
            Value::Array(values) => {
                ParameterFile { values: Some(values), min: None, max: None, step: None, log: false }
            }
            // A list of one.
            value @ (Value::Number(_) | Value::String(_)) => {
                ParameterFile { values: Some(vec![value]), min: None, max: None, step: None, log: false }
            }
            value => typed::<ParameterFile>(value, &path)?,
        };
        let values = check_values(&path, file, method)?;
        if values.listed().is_none() && decides_statistics(&key) {
            let problem = "is a whole range, and statistics are made of the listed numbers of examples before the search: list \
                           the values, or give a `step`";
            return Err(SweepError::invalid(path, problem));
        }
        Ok(Parameter { values, key })
    };
    map.into_iter().map(parameter).collect()
}

fn check_values(path: &str, file: ParameterFile, method: Method) -> Result<Values, SweepError> {
    match file {
        ParameterFile { values: Some(values), min: None, max: None, step: None, log: false } => {
            if values.is_empty() {
                return Err(SweepError::invalid(format!("{path}.values"), "is empty"));
            }
            Ok(Values::List(values))
        }
        ParameterFile { values: None, min: Some(min), max: Some(max), step: Some(step), log: false } => {
            Values::range(min, max, step).map_err(|source| SweepError::Range { path: path.to_owned(), source })
        }
        ParameterFile { values: None, min: Some(min), max: Some(max), step: None, log } => {
            if !method.takes_ranges() {
                let problem = format!(
                    "needs a `step`: `method: {}` goes through a list of values; `random`, `bracket`, `tpe` and `cma_es` \
                     take a whole range",
                    method.name()
                );
                return Err(SweepError::invalid(path, problem));
            }
            if !(min.is_finite() && max.is_finite() && min < max) || (log && min <= 0.0) {
                let problem = "needs finite `min` below `max`, and `min` above 0 where `log` is set";
                return Err(SweepError::invalid(path, problem));
            }
            Ok(Values::Continuous { min, max, log })
        }
        _ => {
            Err(SweepError::invalid(path, "needs either `values`, or `min` and `max` (with `step`, or `log` to draw)"))
        }
    }
}

/// Puts every single value into the starting recipe, so that a wrong one is named before anything runs.
fn try_values(search: &Search, parameters_path: &str, tasks: &[Task]) -> Result<(), SweepError> {
    for Parameter { key, values } in &search.parameters {
        let ends;
        let values = match values {
            Values::List(values) => values,
            Values::Continuous { min, max, .. } => {
                ends = vec![Value::from(*min), Value::from(*max)];
                &ends
            }
        };
        for (i, value) in values.iter().enumerate() {
            let mut recipe = search.recipe.clone();
            let path = format!("{parameters_path}.{key}[{i}]");
            let set = recipe.set(key, value);
            set.map_err(|source| SweepError::Recipe { path: path.clone(), source })?;
            resolved(&recipe, path, tasks)?;
        }
    }
    Ok(())
}
