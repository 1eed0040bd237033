//! The presets that a portfolio tries if its file lists none.

#[cfg(test)]
mod tests;

use super::{Evaluation, Method, Search, Sweep, Task};
use crate::{Benchmark, Parameter, Preset, Recipe, RecipeSpec, StatisticsKind, Values};

/// The presets that can be tried: the recipe's keys have a meaning in them, and they merge so many tasks. Those that are measured on
/// examples are tried only if the sweep names the split of these, since the measurement may take longer than the search.
pub(super) fn fitting_presets(recipe: &RecipeSpec, evaluation: &Evaluation, tasks: &[Task]) -> Vec<Preset> {
    let fits = |preset: &Preset| {
        let Some(recipe) = merge(*preset, recipe) else { return false };
        let has_data = evaluation.statistics.is_some() && may_be_measured(&recipe, evaluation);
        (has_data || !recipe.merges_by_data()) && recipe.combine.task_count().is_none_or(|count| count == tasks.len())
    };
    Preset::ALL.into_iter().filter(fits).collect()
}

/// The recipe of a preset with other keys beside it, if they go together.
fn merge(preset: Preset, recipe: &RecipeSpec) -> Option<Recipe> {
    let spec = RecipeSpec { preset: Some(preset.name().to_owned()), ..recipe.clone() };
    spec.resolve().ok()
}

/// Whether Bowline runs the models that a recipe is measured on, with heads if it needs any.
fn may_be_measured(recipe: &Recipe, evaluation: &Evaluation) -> bool {
    let needs_heads = recipe.statistics().is_some_and(|need| need.what == StatisticsKind::Fisher);
    match evaluation.benchmark {
        Benchmark::PerTask => true,
        Benchmark::Joint { .. } => !needs_heads,
        Benchmark::Command(_) => false,
    }
}

/// The examples of each task that a recipe is measured on.
fn measured_on(recipe: &Recipe) -> Option<u64> {
    let of_layerwise = || recipe.layerwise().map(|settings| settings.examples);
    recipe.statistics().map(|need| need.examples).or_else(of_layerwise)
}

/// A preset that a portfolio does not try.
struct LeftOutPreset {
    preset: Preset,
    /// The examples of each task that it is measured on.
    examples: u64,
}

impl Sweep {
    /// The sweep whose portfolios try no preset that is measured on more than `rows` examples of a task. A portfolio whose file lists
    /// other presets than all that fit stays as it is, and so does one of which nothing would be left: such presets are then refused.
    #[must_use]
    pub fn with_examples_to_measure(mut self, rows: u64) -> Self {
        for index in 0..self.searches.len() {
            let left_out = self.too_large(&self.searches[index], rows);
            let stays = |value: &serde_json::Value| {
                left_out.iter().all(|left_out| value.as_str() != Some(left_out.preset.name()))
            };
            for Parameter { values, .. } in &mut self.searches[index].parameters {
                if let Values::List(values) = values
                    && values.iter().any(stays)
                {
                    values.retain(stays);
                }
            }
        }
        self
    }

    /// Which presets portfolios leave out since the split that they are measured on has `rows` examples of `task`, in words.
    pub fn presets_without_examples(&self, task: &str, rows: u64) -> Vec<String> {
        let split = self.statistics_split();
        let of_search = |search: &Search| {
            let left_out = self.too_large(search, rows).into_iter();
            let names = left_out.map(|LeftOutPreset { preset, examples }| format!("`{}` ({examples})", preset.name()));
            let names = names.collect::<Vec<_>>().join(", ");
            (!names.is_empty()).then(|| {
                format!(
                    "`{}` does not try {names}, measured on so many examples of each task: `{split}` of `{task}` has {rows}; list \
                     presets in `parameters.preset`, or name a larger split in `evaluation.statistics`",
                    search.name
                )
            })
        };
        self.searches.iter().filter_map(of_search).collect()
    }

    /// Which presets portfolios leave out since no split is named for them, in words.
    pub(super) fn presets_without_split(&self) -> Vec<String> {
        if self.evaluation.statistics.is_some() {
            return Vec::new();
        }
        let named = Evaluation { statistics: Some(self.evaluation.select.clone()), ..self.evaluation.clone() };
        let of_search = |search: &Search| {
            let tried = fitting_presets(&search.recipe, &self.evaluation, &self.tasks);
            let is_automatic = self.is_of_all_presets(search);
            let all = fitting_presets(&search.recipe, &named, &self.tasks).into_iter();
            let left_out = all.filter(|preset| is_automatic && !tried.contains(preset));
            let names = left_out.map(|preset| format!("`{}`", preset.name())).collect::<Vec<_>>().join(", ");
            (!names.is_empty()).then(|| {
                format!(
                    "`{}` does not try {names}, which are measured on examples: name their split in `evaluation.statistics` to \
                     try them as well",
                    search.name
                )
            })
        };
        self.searches.iter().filter_map(of_search).collect()
    }

    /// The presets that fit a portfolio of all presets, and that are measured on more than `rows` examples.
    fn too_large(&self, search: &Search, rows: u64) -> Vec<LeftOutPreset> {
        if !self.is_of_all_presets(search) {
            return Vec::new();
        }
        let measured = |preset: Preset| {
            let examples = measured_on(&merge(preset, &search.recipe)?)?;
            Some(LeftOutPreset { preset, examples })
        };
        let fitting = fitting_presets(&search.recipe, &self.evaluation, &self.tasks).into_iter();
        fitting.filter_map(measured).filter(|left_out| left_out.examples > rows).collect()
    }

    /// Whether a search is a portfolio of all presets that fit, with or without those that are measured on examples.
    fn is_of_all_presets(&self, search: &Search) -> bool {
        let Some(Parameter { values, .. }) = search.parameters.first().filter(|_| self.method == Method::Portfolio)
        else {
            return false;
        };
        let listed: Vec<&str> = values.listed().unwrap_or_default().iter().filter_map(|value| value.as_str()).collect();
        let fitting = fitting_presets(&search.recipe, &self.evaluation, &self.tasks);
        let is_measured =
            |preset: &Preset| merge(*preset, &search.recipe).is_some_and(|recipe| recipe.merges_by_data());
        let is_listed = |preset: &Preset| listed.contains(&preset.name());
        fitting.iter().all(|preset| is_measured(preset) || is_listed(preset))
            && listed.iter().all(|name| fitting.iter().any(|preset| preset.name() == *name))
    }
}
