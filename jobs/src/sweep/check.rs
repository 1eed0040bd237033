mod data;
mod head;
mod learned;
mod method;
mod pairs;
mod portfolio;
mod racing;
mod reference;
mod replicates;
mod subsets;
mod task;
mod texts;
mod variants;

use super::{
    Baseline, Benchmark, Ensemble, Evaluation, LearnedMerge, Method, Search, Sweep, SweepError, Task,
    file::{
        BenchmarkFile, EvaluationFile, GoalFile, MethodFile, MetricFile, ParameterFile, SearchFile, SweepFile, TaskFile,
    },
    read::typed,
    training::check_training,
};
use crate::{
    EnsembleRule, Goal, HeadSpec, HubKind, InputRef, JointHeadSpec, Metric, Objective, Parameter, PartWeight,
    Precision, RecipeKey, RecipeSpec, Space, StatisticsKind, Values, statistics::decides_statistics,
};
use data::check_data;
use head::{HeadKeys, image_head, text_head};
use learned::check_learned;
use method::{check_kinds_of_parameters, check_method, check_trials};
use pairs::check_pairs;
use portfolio::{PORTFOLIO, check_portfolio_keys, portfolio_parameters};
use racing::check_racing;
use reference::PublishedKeys;
use replicates::check_replicates;
use serde_json::{Map, Value};
use std::{collections::BTreeSet, path::Path};
use subsets::check_subsets;
use task::check_adapter;
pub(super) use task::{CheckedAdapter, CheckedTask};

impl SweepFile {
    pub(super) fn check(mut self, folder: &Path) -> Result<Sweep, SweepError> {
        check_name("name", &self.name)?;
        let published = PublishedKeys::take(&mut self.searches, &mut self.baselines)?;
        // A run does not train, but what is wrong with the keys is said all the same.
        check_training(self.training)?;
        let tasks = check_tasks(self.tasks, folder)?;
        let tasks = tasks.into_iter().enumerate().map(|(i, task)| task.adapted(i)).collect::<Result<Vec<_>, _>>()?;
        let evaluation = check_evaluation(self.evaluation, &tasks, folder)?;
        let is_bare = self.searches.is_empty()
            && self.recipe.is_none()
            && self.parameters.is_none()
            && self.baselines.is_empty()
            && self.learned.is_empty();
        // A file that names no recipe at all asks for the best merge there is.
        let usual = if is_bare { MethodFile::Portfolio } else { MethodFile::Linear };
        let method = check_method(self.method.unwrap_or(usual), self.trials, self.seed)?;
        let objective = check_metric(self.metric, &evaluation.benchmark, &tasks)?;
        let searches = SearchFiles {
            recipe: self.recipe,
            parameters: self.parameters,
            replicates: self.replicates,
            searches: self.searches,
        };
        let searches = check_searches(searches, SearchedSweep { method, evaluation: &evaluation, tasks: &tasks })?;
        let (baselines, ensembles) = check_baselines(self.baselines, &tasks, &evaluation.benchmark)?;
        let learned = check_learned(self.learned, &evaluation, &tasks)?;
        let subsets = self.subsets.map(|file| check_subsets(file, &evaluation, &tasks)).transpose()?;
        let racing = self.racing.map(|file| check_racing(file, method, &searches)).transpose()?;
        let base = reference("base", &self.base, folder, HubKind::Model)?;
        let sweep = Sweep {
            name: self.name,
            base,
            tasks,
            evaluation,
            method,
            objective,
            searches,
            baselines,
            learned,
            reference: None,
            ensembles,
            racing,
            subsets,
            variant: None,
        };
        check_rows(&sweep)?;
        let reference = published.check(self.reference, &sweep)?;
        Ok(Sweep { reference, ..sweep })
    }
}

/// Whether `name` can be the name of a sweep, a task or a split.
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // A dot would hide a file, and a dash make an option of a name.
    !name.is_empty() && !name.starts_with(['.', '-']) && name.len() <= 100 && name.chars().all(is_plain)
}

pub(super) fn check_name(path: &str, name: &str) -> Result<(), SweepError> {
    if !is_name(name) {
        let problem = format!(
            "is `{name}`; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first"
        );
        return Err(SweepError::invalid(path, problem));
    }
    Ok(())
}

pub(super) fn reference(path: &str, text: &str, folder: &Path, kind: HubKind) -> Result<InputRef, SweepError> {
    InputRef::parse(text, folder, kind).map_err(|source| SweepError::Input { path: path.to_owned(), source })
}

pub(super) fn check_tasks(files: Vec<TaskFile>, folder: &Path) -> Result<Vec<CheckedTask>, SweepError> {
    if files.is_empty() {
        return Err(SweepError::invalid("tasks", "is empty; a sweep needs at least one task"));
    }
    let mut names = BTreeSet::new();
    let mut tasks = Vec::with_capacity(files.len());
    for (i, file) in files.into_iter().enumerate() {
        let path = format!("tasks[{i}]");
        check_name(&format!("{path}.name"), &file.name)?;
        if !names.insert(file.name.clone()) {
            return Err(SweepError::invalid(format!("{path}.name"), format!("is `{}` a second time", file.name)));
        }
        for (split, share) in &file.finetuned {
            if !(*share > 0.0 && *share <= 1.0) {
                let problem = format!("is {share}, outside (0, 1]; accuracies are shares");
                return Err(SweepError::invalid(format!("{path}.finetuned.{split}"), problem));
            }
        }
        let Some(adapter) = file.adapter else {
            return Err(SweepError::invalid(&path, "needs an `adapter`"));
        };
        let adapter = check_adapter(&format!("{path}.adapter"), adapter, folder)?;
        let data = check_data(&format!("{path}.data"), file.data, folder)?;
        let keys = HeadKeys { head: file.head, classes: file.classes, templates: file.templates };
        let head = match data.text {
            Some(_) => text_head(&path, keys, adapter.given(), folder)?,
            None => image_head(&path, keys, folder)?,
        };
        tasks.push(CheckedTask { name: file.name, adapter, data, head, finetuned: file.finetuned });
    }
    check_kinds(&tasks)?;
    Ok(tasks)
}

/// One base model reads either images or texts.
fn check_kinds(tasks: &[CheckedTask]) -> Result<(), SweepError> {
    let texts = tasks.iter().position(|task| task.data.text.is_some());
    let images = tasks.iter().position(|task| task.data.text.is_none());
    match (texts, images) {
        (Some(texts), Some(images)) => {
            let problem = format!("has texts, and `tasks[{images}].data` images; a sweep is over one of them");
            Err(SweepError::invalid(format!("tasks[{texts}].data"), problem))
        }
        _ => Ok(()),
    }
}

fn check_evaluation(file: EvaluationFile, tasks: &[Task], folder: &Path) -> Result<Evaluation, SweepError> {
    let EvaluationFile { benchmark, select, report, statistics, precision, head, map } = file;
    let has_texts = tasks.iter().any(|task| task.data.text.is_some());
    if has_texts && benchmark == BenchmarkFile::Joint {
        let problem = "is `joint`, which is for images; tasks with texts have `per_task`";
        return Err(SweepError::invalid("evaluation.benchmark", problem));
    }
    if !has_texts && precision != Precision::F32 {
        let problem = "is for texts only; images are evaluated in `f32`";
        return Err(SweepError::invalid("evaluation.precision", problem));
    }
    let benchmark = match (benchmark, head, map) {
        (BenchmarkFile::PerTask, None, None) => Benchmark::PerTask,
        (BenchmarkFile::PerTask, ..) => {
            return Err(SweepError::invalid("evaluation", "has `head` or `map`, which only `benchmark: joint` reads"));
        }
        (BenchmarkFile::Joint, Some(head), Some(map)) => {
            let head = reference("evaluation.head", &head, folder, HubKind::Model)?;
            let map = reference("evaluation.map", &map, folder, HubKind::Model)?;
            Benchmark::Joint { files: Some(JointHeadSpec { head, map }) }
        }
        (BenchmarkFile::Joint, None, None) => Benchmark::Joint { files: None },
        (BenchmarkFile::Joint, ..) => {
            return Err(SweepError::invalid("evaluation", "needs both `head` and `map`, or neither"));
        }
    };
    for (i, task) in tasks.iter().enumerate() {
        match (&benchmark, &task.head) {
            (Benchmark::PerTask, None) => {
                let problem = "needs a `head`, or `classes` and `templates`";
                return Err(SweepError::invalid(format!("tasks[{i}]"), problem));
            }
            (Benchmark::Joint { files: None }, None | Some(HeadSpec::File(_) | HeadSpec::Adapter(_))) => {
                let problem = "needs `classes` and `templates`: the joint head is built from them";
                return Err(SweepError::invalid(format!("tasks[{i}]"), problem));
            }
            _ => {}
        }
    }
    check_name("evaluation.select", &select)?;
    check_name("evaluation.report", &report)?;
    statistics.iter().try_for_each(|split| check_name("evaluation.statistics", split))?;
    Ok(Evaluation { benchmark, select, report, statistics, precision })
}

fn check_metric(file: MetricFile, benchmark: &Benchmark, tasks: &[Task]) -> Result<Objective, SweepError> {
    let is_joint = *benchmark != Benchmark::PerTask;
    let default = if is_joint { "joint_hits@3" } else { "mean_normalised_accuracy" };
    let path = "metric.name";
    let metric = file.name.as_deref().unwrap_or(default).parse::<Metric>();
    let metric = metric.map_err(|source| SweepError::Metric { path: path.to_owned(), source })?;
    let problem = match &metric {
        Metric::JointHits(_) if !is_joint => "counts hits among joint labels: it needs `benchmark: joint`",
        Metric::MeanNormalisedAccuracy if is_joint => "has no denominators in a joint benchmark: use `joint_hits@3`",
        Metric::Accuracy(task) if tasks.iter().all(|known| known.name != *task) => "names a task that is not listed",
        Metric::MeanNormalisedAccuracy | Metric::MeanAccuracy | Metric::JointHits(_) | Metric::Accuracy(_) => "",
    };
    if !problem.is_empty() {
        return Err(SweepError::invalid(path, problem));
    }
    let goal = match file.goal {
        GoalFile::Maximize => Goal::Maximize,
        GoalFile::Minimize => Goal::Minimize,
    };
    Ok(Objective { metric, goal })
}

/// The search at top level, or the searches in their list.
fn check_searches(file: SearchFiles, sweep: SearchedSweep<'_>) -> Result<Vec<Search>, SweepError> {
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
struct SearchFiles {
    recipe: Option<RecipeSpec>,
    parameters: Option<Map<String, Value>>,
    replicates: Option<Value>,
    searches: Vec<SearchFile>,
}

/// What searches depend on.
#[derive(Clone, Copy)]
struct SearchedSweep<'a> {
    method: Method,
    evaluation: &'a Evaluation,
    tasks: &'a [Task],
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

/// Resolves a recipe, and refuses one that is defined for another number of tasks, or whose weights leave nothing to merge.
fn resolved(spec: &RecipeSpec, path: String, tasks: &[Task]) -> Result<(), SweepError> {
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

/// The baselines that are recipes, and those that are ensembles.
fn check_baselines(
    files: Vec<Map<String, Value>>,
    tasks: &[Task],
    benchmark: &Benchmark,
) -> Result<(Vec<Baseline>, Vec<Ensemble>), SweepError> {
    let mut baselines = Vec::new();
    let mut ensembles = Vec::new();
    for (i, mut file) in files.into_iter().enumerate() {
        let path = format!("baselines[{i}]");
        let name = match file.remove("name") {
            Some(Value::String(name)) => Some(name),
            None => None,
            Some(_) => return Err(SweepError::invalid(format!("{path}.name"), "is not a text")),
        };
        if let Some(rule) = file.remove("ensemble") {
            ensembles.push(check_ensemble(&path, name, rule, &file, benchmark)?);
            continue;
        }
        let replicates = file.remove("replicates");
        let recipe: RecipeSpec = typed(Value::Object(file), &path)?;
        resolved(&recipe, path.clone(), tasks)?;
        let replicates = check_replicates(&format!("{path}.replicates"), replicates, &recipe, &[])?;
        let name = name.or_else(|| recipe.preset.clone()).unwrap_or_else(|| format!("baseline {}", i + 1));
        baselines.push(Baseline { name, recipe, replicates });
    }
    Ok((baselines, ensembles))
}

/// The name of an ensemble that has none.
const ENSEMBLE: &str = "ensemble";

fn check_ensemble(
    path: &str,
    name: Option<String>,
    rule: Value,
    others: &Map<String, Value>,
    benchmark: &Benchmark,
) -> Result<Ensemble, SweepError> {
    let at = format!("{path}.ensemble");
    let rule: EnsembleRule = typed(rule, &at)?;
    if let Some(key) = others.keys().next() {
        let problem = "has no effect beside `ensemble`, which merges nothing";
        return Err(SweepError::invalid(format!("{path}.{key}"), problem));
    }
    if *benchmark == Benchmark::PerTask {
        let problem = "asks every adapter about the examples of all tasks, and needs `benchmark: joint`: with a head for each task, \
                       the adapter of that task alone is the ensemble";
        return Err(SweepError::invalid(at, problem));
    }
    Ok(Ensemble { name: name.unwrap_or_else(|| ENSEMBLE.to_owned()), rule })
}

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
fn check_rows(sweep: &Sweep) -> Result<(), SweepError> {
    check_data_of_merges(sweep)?;
    check_names_of_rows(sweep)?;
    check_tasks_of_weights(sweep)?;
    check_layer_weights(sweep)
}

/// Refuses merges that cannot have the data that they need.
fn check_data_of_merges(sweep: &Sweep) -> Result<(), SweepError> {
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
