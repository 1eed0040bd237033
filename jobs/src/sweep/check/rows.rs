//! What concerns several parts of a sweep.

use crate::{
    Benchmark, Ensemble, LearnedMerge, Parameter, PartWeight, RecipeKey, RecipeSpec, Space, StatisticsKind, Sweep,
    SweepError,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A row with weights of single directions that all tasks share, and a task that has some.
fn shared_directions(sweep: &Sweep) -> Option<(&str, &str)> {
    let searches = sweep.searches.iter().map(|search| (&search.name, &search.recipe, search.parameters.as_slice()));
    let rows = searches.chain(sweep.baselines.iter().map(|row| (&row.name, &row.recipe, &[][..])));
    let knots = |spec: &RecipeSpec| spec.resolve().is_ok_and(|recipe| matches!(recipe.space, Space::Knots { .. }));
    let is_list = |weight: &PartWeight| matches!(weight, PartWeight::Directions(_));
    rows.into_iter().find_map(|(name, spec, parameters)| {
        let may_share = knots(spec) || parameters.iter().any(|parameter| parameter.key == "space");
        let listed = spec.layer_weights.iter().find(|(_, parts)| parts.values().any(is_list));
        listed.filter(|_| may_share).map(|(task, _)| (name.as_str(), task.as_str()))
    })
}

/// What concerns several parts: rows of a table need names of their own, weights need tasks.
pub(super) fn check_rows(sweep: &Sweep) -> Result<(), SweepError> {
    check_data_of_merges(sweep)?;
    check_names_of_rows(sweep)?;
    check_tasks_of_weights(sweep)?;
    check_layer_weights(sweep)
}

/// Refuses merges that cannot have the data that they need.
fn check_data_of_merges(sweep: &Sweep) -> Result<(), SweepError> {
    if sweep.evaluation.benchmark.command().is_some()
        && let Some(row) = sweep.statistics_rows().into_iter().next()
    {
        let problem = format!(
            "evaluates the models, and `{}` merges by {} of models that Bowline runs itself: take it out, or use another method",
            row.name,
            row.need.what.name()
        );
        return Err(SweepError::invalid("evaluation.command", problem));
    }
    if sweep.evaluation.benchmark.command().is_some() && !sweep.layerwise_needs().is_empty() {
        let problem = "evaluates the models, and a recipe merges layer by layer through models that Bowline runs itself: take it \
                       out, or use another method";
        return Err(SweepError::invalid("evaluation.command", problem));
    }
    let needs_heads = sweep.statistics_needs().iter().any(|need| need.what == StatisticsKind::Fisher);
    if needs_heads && sweep.evaluation.benchmark != Benchmark::PerTask {
        let problem = "is `joint`, and a recipe with `combine: fisher` needs what every task's own model predicts with a head of its \
                       own: use `per_task`";
        return Err(SweepError::invalid("evaluation.benchmark", problem));
    }
    if sweep.subsets.is_some()
        && let Some((name, task)) = shared_directions(sweep)
    {
        let problem = format!(
            "merges subsets of the tasks, and `{name}` has a list of numbers in `layer_weights.{task}` for directions that all tasks \
             share in `knots`: a subset has other directions; take `subsets` out, or give one number for each part"
        );
        return Err(SweepError::invalid("subsets", problem));
    }
    for search in &sweep.searches {
        if let Some((parameter, problem)) = search.unknown_layerwise(sweep.method) {
            return Err(SweepError::invalid(format!("parameters.{}", parameter.key), problem));
        }
    }
    Ok(())
}

/// Refuses rows of the same name, and recipes with weights of tasks that are not listed.
fn check_names_of_rows(sweep: &Sweep) -> Result<(), SweepError> {
    let searches = sweep.searches.iter().map(|search| (&search.name, &search.recipe));
    let rows: Vec<_> = searches.chain(sweep.baselines.iter().map(|row| (&row.name, &row.recipe))).collect();
    if rows.is_empty() && sweep.learned.is_empty() && sweep.ensembles.is_empty() {
        return Err(SweepError::invalid("recipe", "is missing; give `recipe`, `searches`, `baselines` or `learned`"));
    }
    let mut names: BTreeSet<&String> = BTreeSet::new();
    for LearnedMerge { name, .. } in &sweep.learned {
        if !names.insert(name) {
            let problem = format!("would appear twice as `{name}`; give each a `name` of its own");
            return Err(SweepError::invalid("learned", problem));
        }
    }
    for Ensemble { name, .. } in &sweep.ensembles {
        if !names.insert(name) {
            let problem = format!("would appear twice as `{name}`; give each a `name` of its own");
            return Err(SweepError::invalid("baselines", problem));
        }
    }
    for (name, recipe) in rows {
        if !names.insert(name) {
            let problem = format!("would appear twice as `{name}`; give each search and baseline a `name` of its own");
            return Err(SweepError::invalid("searches", problem));
        }
        if let Some(task) = recipe.weights.keys().find(|task| sweep.task(task).is_none()) {
            return Err(SweepError::invalid(format!("weights.{task}"), "names a task that is not listed"));
        }
        if let Some(task) = recipe.layer_weights.keys().find(|task| sweep.task(task).is_none()) {
            return Err(SweepError::invalid(format!("layer_weights.{task}"), "names a task that is not listed"));
        }
    }
    Ok(())
}

/// Refuses parameters that are weights of tasks that are not listed.
fn check_tasks_of_weights(sweep: &Sweep) -> Result<(), SweepError> {
    for parameter in sweep.searches.iter().flat_map(|search| &search.parameters) {
        let maps = parameter.values.listed().unwrap_or_default().iter().filter_map(Value::as_object);
        let unknown = maps.flat_map(Map::keys).find(|task| sweep.task(task).is_none());
        if let Some(task) = unknown.filter(|_| parameter.key == "weights") {
            return Err(SweepError::invalid(format!("parameters.weights.{task}"), "names a task that is not listed"));
        }
    }
    let weights = sweep.searches.iter().flat_map(|search| &search.parameters);
    for task in weights.filter_map(|parameter| parameter.key.strip_prefix("weights.")) {
        if sweep.task(task).is_none() {
            return Err(SweepError::invalid(format!("parameters.weights.{task}"), "names a task that is not listed"));
        }
    }
    Ok(())
}

/// Refuses weights of layers of tasks that are not listed.
fn check_layer_weights(sweep: &Sweep) -> Result<(), SweepError> {
    for Parameter { key, values } in sweep.searches.iter().flat_map(|search| &search.parameters) {
        let Some(of_layer) = RecipeKey::task_of_layer_weights(key) else { continue };
        // A map is the value of a whole task, whose name may end with a dot and digits. A number is that of a layer.
        let has_maps = values.listed().is_some_and(|values| values.iter().all(Value::is_object));
        let task = if has_maps { key.trim_start_matches("layer_weights.") } else { of_layer };
        if sweep.task(task).is_none() {
            let problem = format!("names the task `{task}`, which is not listed");
            return Err(SweepError::invalid(format!("parameters.{key}"), problem));
        }
    }
    Ok(())
}
