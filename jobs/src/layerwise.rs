//! Merges that are made layer by layer, by the inputs that modules take after the layers before them are merged.

use crate::{
    AdapterInput, BenchmarkInput, Combine, Digest, EVALUATION_SEMANTICS, Gram, Meaning, OtherSemantics, Parameter,
    Precision, Recipe, RecipeSpec, STATISTICS_SEMANTICS, Search, Subject, Sweep, TaskInput,
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
    /// [`EVALUATION_SEMANTICS`] when it was made: how files become what a model takes.
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
            ("evaluation", self.evaluation, EVALUATION_SEMANTICS),
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

impl Search {
    /// A parameter without listed values on which merges that are made layer by layer depend; `None` if there are no such
    /// merges, or all of them are known beforehand.
    pub(crate) fn unlisted_of_layerwise(&self) -> Option<&Parameter> {
        let deciding = self.parameters.iter().filter(|parameter| decides(&parameter.key));
        let unlisted = deciding.into_iter().find(|parameter| parameter.values.listed().is_none())?;
        recipes_by_layerwise(self).into_iter().next().map(|_| unlisted)
    }
}

impl Sweep {
    /// What decides each merge of all tasks that any recipe of the sweep may need made layer by layer, each once.
    pub fn layerwise_needs(&self) -> Vec<LayerwiseSettings> {
        let of_baselines = self.baselines.iter().filter_map(|row| layerwise(&row.recipe));
        let of_searches = self.searches.iter().flat_map(recipes_by_layerwise);
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

/// The settings of a search with every combination of those values that decide them.
fn recipes_by_layerwise(search: &Search) -> Vec<LayerwiseSettings> {
    // The word that makes a recipe one of these comes first: other searches have nothing to combine.
    let is_word = |parameter: &&Parameter| ["preset", "combine", "gram"].contains(&parameter.key.as_str());
    let words = search.parameters.iter().filter(is_word);
    let mut specs = words.fold(vec![search.recipe.clone()], with_values);
    specs.retain(|spec| layerwise(spec).is_some());
    let numbers = search.parameters.iter().filter(|parameter| decides(&parameter.key) && !is_word(parameter));
    numbers.fold(specs, with_values).iter().filter_map(layerwise).collect()
}

/// The same recipes, and each with every listed value of a parameter.
fn with_values(mut specs: Vec<RecipeSpec>, Parameter { key, values }: &Parameter) -> Vec<RecipeSpec> {
    let mut with = Vec::new();
    for spec in &specs {
        for value in values.listed().unwrap_or_default() {
            let mut spec = spec.clone();
            if spec.set(key, value).is_ok() {
                with.push(spec);
            }
        }
    }
    specs.append(&mut with);
    specs
}

#[cfg(test)]
mod tests;
