//! Merges that are made layer by layer, by the inputs that modules take after the layers before them are merged.

use crate::{
    AdapterInput, BenchmarkInput, Combine, Digest, Gram, Meaning, Method, OtherSemantics, Parameter, Precision, Recipe,
    RecipeSpec, STATISTICS_SEMANTICS, Search, Subject, Sweep, TaskInput, evaluation_semantics,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of how a merge is made layer by layer, and of the layout of its file. It is part of the identity of every job
/// that makes one, beside [`STATISTICS_SEMANTICS`].
pub const LAYERWISE_SEMANTICS: u32 = 1;

/// All that decides a merge which is made layer by layer (RegMean++).
///
/// In each layer, every task's own layer takes what the merged layers before it make of the task's examples; by these inputs
/// the layer is merged, and then it is run itself. The merged layers have λ = 1 and the weights of the tasks. So the inputs
/// of a layer depend on all settings, and the solution is kept in place of the Gram matrices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerwiseSpec {
    /// [`LAYERWISE_SEMANTICS`] when it was made.
    pub semantics: u32,
    /// [`STATISTICS_SEMANTICS`] when it was made: which inputs count.
    pub statistics: u32,
    /// [`evaluation_semantics`] of the precision when it was made: how files become what a model takes.
    pub evaluation: u32,
    /// The base model's content.
    pub base: Digest,
    /// The adapters, in merge order.
    pub adapters: Vec<AdapterInput>,
    /// The data of each task, in the order of the adapters.
    pub tasks: Vec<TaskInput>,
    /// The name of the split, such as `train`.
    pub split: String,
    /// The numbers of the recipe that decide the merge.
    pub settings: LayerwiseSettings,
    /// The number format of the models.
    pub precision: Precision,
}

/// The numbers of a recipe that decide a merge which is made layer by layer: all but λ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerwiseSettings {
    /// How many examples of each task are taken, the first ones in the order of the split.
    pub examples: u64,
    /// Multiplies the entries of the Gram matrices off the diagonal, in [0, 1].
    pub off_diagonal: f64,
    /// Added to the diagonal of their sum, as a share of the diagonal's mean.
    pub ridge: f64,
    /// The weights of the tasks; a task that is not named has 1.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
}

impl LayerwiseSettings {
    /// The weight of `task`.
    pub fn weight(&self, task: &str) -> f64 {
        self.weights.get(task).copied().unwrap_or(1.0)
    }
}

impl LayerwiseSpec {
    /// Whether this version of the program makes what was meant.
    ///
    /// # Errors
    /// The merge, the statistics or the evaluation are of another version of their semantics.
    pub fn check_semantics(&self) -> Result<(), OtherSemantics> {
        let parts = [
            ("layer-by-layer merge", self.semantics, LAYERWISE_SEMANTICS),
            ("statistics", self.statistics, STATISTICS_SEMANTICS),
            ("evaluation", self.evaluation, evaluation_semantics(self.precision)),
        ];
        match parts.into_iter().find(|(_, job, ours)| job != ours) {
            Some((part, job, ours)) => Err(OtherSemantics { part, job, ours }),
            None => Ok(()),
        }
    }

    /// The evaluation of the base on the same data: what both need is found and prepared in the same way.
    pub fn as_evaluation(&self) -> Meaning {
        Meaning {
            evaluation: self.evaluation,
            base: self.base,
            subject: Subject::Base,
            adapters: self.adapters.clone(),
            tasks: self.tasks.clone(),
            benchmark: BenchmarkInput::PerTask,
            split: self.split.clone(),
            precision: self.precision,
            statistics: Vec::new(),
            slice: None,
        }
    }
}

/// The keys of a recipe that decide a merge which is made layer by layer. `weights` and `weights.<task>` are one key.
const DECIDING: [&str; 7] = ["preset", "combine", "gram", "examples", "off_diagonal", "ridge", "weights"];

/// Whether a key, or the part of it before a task's name, decides a merge which is made layer by layer.
fn decides(key: &str) -> bool {
    let key = key.split_once('.').map_or(key, |(key, _)| key);
    DECIDING.contains(&key)
}

impl Recipe {
    /// What decides the merge if it is made layer by layer; `None` for all other recipes.
    pub fn layerwise(&self) -> Option<LayerwiseSettings> {
        let Combine::GramMerge { gram: Gram::MergedInputs { examples, off_diagonal }, ridge } = self.combine else {
            return None;
        };
        Some(LayerwiseSettings { examples, off_diagonal, ridge, weights: self.weights.clone() })
    }
}

/// The most merges that are made layer by layer before a search. Each takes a pass over the examples of all tasks.
const MOST: usize = 64;

impl Search {
    /// A parameter that keeps the merges which the search needs made layer by layer from being known before it, and why; `None`
    /// if they are known, or there are none.
    pub(crate) fn unknown_layerwise(&self, method: Method) -> Option<(&Parameter, String)> {
        let name = &self.name;
        let decides = format!("decides what is merged layer by layer by `gram: merged_inputs` in `{name}`");
        let deciding: Vec<&Parameter> = self.parameters.iter().filter(|parameter| decides_any(parameter)).collect();
        let last = *deciding.last()?;
        let starts = starts_of_layerwise(self, method);
        if starts.is_empty() {
            return None;
        }
        if let Some(unlisted) = deciding.iter().find(|parameter| parameter.values.listed().is_none()) {
            let problem =
                format!("{decides}, and all of it is made before the search: list the `values`, or give a `step`");
            return Some((*unlisted, problem));
        }
        if deciding.len() > 1 && follows_values(method) {
            let problem = format!(
                "{decides}, beside `parameters.{}`: which of their values the search combines is not known before it, and \
                 all merges are made before: use `method: grid` or `random`, or fix all of these keys but one in the recipe",
                deciding[0].key
            );
            return Some((last, problem));
        }
        let numbers = deciding.iter().filter(|parameter| !is_word(parameter));
        let count = numbers.fold(starts.len(), |count, parameter| {
            count.saturating_mul(parameter.values.listed().map_or(1, <[_]>::len))
        });
        (count > MOST).then(|| {
            let problem = format!(
                "{decides}, with {count} combinations of the values that do, and at most {MOST} are merged before a search: list \
                 fewer values, or fix keys in the recipe"
            );
            (last, problem)
        })
    }
}

impl Sweep {
    /// What decides each merge of all tasks that any recipe of the sweep may need made layer by layer, each once.
    ///
    /// For a random search these are all combinations of the values that it draws from.
    pub fn layerwise_needs(&self) -> Vec<LayerwiseSettings> {
        let of_baselines = self.baselines.iter().filter_map(|row| layerwise(&row.recipe));
        let of_searches = self.searches.iter().flat_map(|search| recipes_by_layerwise(search, self.method));
        let mut needs: Vec<LayerwiseSettings> = Vec::new();
        for need in of_baselines.chain(of_searches) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs
    }
}

fn layerwise(spec: &RecipeSpec) -> Option<LayerwiseSettings> {
    spec.resolve().ok()?.layerwise()
}

/// Whether the next point of a search with this method depends on which points were best so far.
fn follows_values(method: Method) -> bool {
    match method {
        Method::Grid | Method::Random { .. } | Method::Portfolio => false,
        Method::Linear | Method::Bracket | Method::Tpe { .. } | Method::CmaEs { .. } => true,
    }
}

/// Whether a parameter decides a merge which is made layer by layer.
fn decides_any(parameter: &Parameter) -> bool {
    decides(&parameter.key)
}

/// Whether a parameter says how is merged, and not by which number.
fn is_word(parameter: &Parameter) -> bool {
    ["preset", "combine", "gram"].contains(&parameter.key.as_str())
}

/// The settings of a search that are merged layer by layer, with every combination of the words that say so.
fn starts_of_layerwise(search: &Search, method: Method) -> Vec<RecipeSpec> {
    // The word that makes a recipe one of these comes first: other searches have nothing to combine.
    let words = search.parameters.iter().filter(|parameter| is_word(parameter));
    let mut specs =
        words.fold(vec![search.recipe.clone()], |specs, word| with_values(specs, word, keeps_start(search, method)));
    specs.retain(|spec| layerwise(spec).is_some());
    specs
}

/// Whether a search visits values of the recipe as written beside the listed ones.
fn keeps_start(search: &Search, method: Method) -> bool {
    match method {
        Method::Grid | Method::Random { .. } | Method::Portfolio => false,
        // While it scans another parameter, and after a scan of which every point failed.
        Method::Linear => search.parameters.len() > 1,
        // The recipe itself is their first point.
        Method::Bracket | Method::Tpe { .. } | Method::CmaEs { .. } => true,
    }
}

/// The settings of a search with every combination of those values that decide them, as its method visits them.
fn recipes_by_layerwise(search: &Search, method: Method) -> Vec<LayerwiseSettings> {
    let numbers = search.parameters.iter().filter(|parameter| decides_any(parameter) && !is_word(parameter));
    let specs = numbers.fold(starts_of_layerwise(search, method), |specs, number| {
        with_values(specs, number, keeps_start(search, method))
    });
    specs.iter().filter_map(layerwise).collect()
}

/// Each of the recipes with every listed value of a parameter, after the recipes themselves where these are kept.
fn with_values(specs: Vec<RecipeSpec>, Parameter { key, values }: &Parameter, keeps: bool) -> Vec<RecipeSpec> {
    let mut with = if keeps { specs.clone() } else { Vec::new() };
    for spec in &specs {
        for value in values.listed().unwrap_or_default() {
            let mut spec = spec.clone();
            if spec.set(key, value).is_ok() {
                with.push(spec);
            }
        }
    }
    with
}

#[cfg(test)]
mod tests;
