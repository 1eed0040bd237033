mod check;
mod convention;
mod error;
mod file;
mod finetune;
mod lines;
mod method;
mod notes;
mod overrides;
mod portfolio;
mod read;
mod schema;
mod shape;
mod synonyms;
mod task_adapter;
mod training;
mod yaml_problem;

pub use check::is_name;
pub use convention::convention_data;
pub use error::SweepError;
pub use finetune::{Finetune, FinetuneTask};
pub use lines::{Lines, Place};
pub use method::Method;
pub use read::{overridden, yaml_value};
pub use schema::{recipe_schema, sweep_schema};
pub use task_adapter::{TaskAdapter, TaskTraining};
pub use training::TrainingKeys;
pub(crate) use {
    overrides::apply as apply_override,
    read::{typed, yaml},
};

use crate::{
    CommandSpec, DataSpec, EnsembleRule, HeadSpec, InputRef, JointHeadSpec, Metric, Objective, Parameter,
    PrecisionChoice, Racing, RecipeSpec, Reference, Replicates, Subsets, TextSpec, TuneSettings, Variant,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A checked sweep: what is merged, what it is evaluated on, and what is searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The sweep's name; its folder in the store.
    pub name: String,
    /// The base model.
    pub base: InputRef,
    /// The tasks, in merge order.
    pub tasks: Vec<Task>,
    /// How models are scored, and on which splits.
    pub evaluation: Evaluation,
    /// How the search goes.
    pub method: Method,
    /// What the search maximises or minimises.
    pub objective: Objective,
    /// The metrics of which the searches seek the best trade-offs; the first is that of the objective. Empty if the objective alone
    /// counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Metric>,
    /// The searches, side by side; at least one, or a baseline.
    pub searches: Vec<Search>,
    /// Recipes that are evaluated as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baselines: Vec<Baseline>,
    /// Merges by task arithmetic whose coefficients are learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<LearnedMerge>,
    /// Published figures that rows are shown beside. No job depends on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Ensembles of all adapters, for comparison.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ensembles: Vec<Ensemble>,
    /// How points of searches race; `None` evaluates each on all examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racing: Option<Racing>,
    /// Subsets of the tasks for which the chosen recipes are merged once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsets: Option<Subsets>,
    /// Which of several sets of adapters it merges, if its file has variants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Variant>,
}

/// One task: an adapter, and labelled data with class vectors or what a command evaluates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Its name, unique in the sweep.
    pub name: String,
    /// The adapter that was trained for it, or is to be trained.
    pub adapter: TaskAdapter,
    /// Its data. Only a command evaluates tasks without any; of data that a command reads, only the source counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSpec>,
    /// Its class vectors; a joint benchmark with its own head, or a command, needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadSpec>,
    /// Accuracies of the adapter alone, by split, in (0, 1]: given instead of measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub finetuned: BTreeMap<String, f64>,
}

/// How models are scored, and on which splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// The split that the search looks at.
    pub select: String,
    /// The split that is touched once, for the chosen recipes.
    pub report: String,
    /// The split of whose first examples statistics are made, for recipes that need the inputs of modules; `None` means
    /// `select`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<String>,
    /// The number format of the model.
    #[serde(default, skip_serializing_if = "PrecisionChoice::is_f32")]
    pub precision: PrecisionChoice,
}

/// A way to score a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Benchmark {
    /// Every task against its own classes.
    PerTask,
    /// All tasks against the classes of all of them.
    Joint {
        /// The joint head's files; `None` builds it from the tasks' class names and templates.
        files: Option<JointHeadSpec>,
    },
    /// Every task by a command of the user.
    Command(Box<CommandSpec>),
}

impl Benchmark {
    /// The command that evaluates the tasks, if one does.
    pub fn command(&self) -> Option<&CommandSpec> {
        match self {
            Self::Command(command) => Some(command),
            Self::PerTask | Self::Joint { .. } => None,
        }
    }

    /// Whether all tasks are scored against the classes of all of them.
    pub fn is_joint(&self) -> bool {
        match self {
            Self::Joint { .. } => true,
            Self::PerTask | Self::Command(_) => false,
        }
    }
}

/// One search: a recipe to start from and the parameters to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// The row's name in tables, unique in the sweep.
    pub name: String,
    /// Where it starts.
    pub recipe: RecipeSpec,
    /// What it changes, in order.
    pub parameters: Vec<Parameter>,
    /// The number of points, in place of the sweep's `trials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trials: Option<u32>,
    /// The seeds with which each point is evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicates: Option<Replicates>,
}

/// A fixed recipe beside the searches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// The row's name in tables, unique in the sweep.
    pub name: String,
    /// The recipe.
    pub recipe: RecipeSpec,
    /// The seeds with which it is evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicates: Option<Replicates>,
}

/// All adapters together without a merge, beside the searches: in a joint benchmark, every adapter sees the examples of all
/// tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// The row's name in tables, unique in the sweep.
    pub name: String,
    /// How the scores become one.
    pub rule: EnsembleRule,
}

/// A merge by task arithmetic whose coefficients are learned on a split of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedMerge {
    /// The row's name in tables, unique in the sweep.
    pub name: String,
    /// The split that coefficients are tuned on: neither the one that recipes are chosen on nor the one that is reported.
    pub split: String,
    /// How many examples of each task are taken, the first ones in the order of the split; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<u64>,
    /// How coefficients are tuned.
    pub settings: TuneSettings,
}

impl Task {
    /// How its texts are read, if its data are texts.
    pub fn text(&self) -> Option<&TextSpec> {
        self.data.as_ref()?.text.as_ref()
    }
}

impl Sweep {
    /// The method of one of its searches, with the number of points of that search.
    pub fn method_of(&self, search: &Search) -> Method {
        self.method.with_trials(search.trials)
    }

    /// The task of that name.
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The name in the sweep file. Variants have names of their own.
    pub fn name_in_file(&self) -> &str {
        self.variant.as_ref().map_or(&self.name, |variant| &variant.of)
    }

    /// The key in the sweep file of the adapter of a task.
    pub fn adapter_key(&self, task: &str) -> String {
        match (&self.variant, self.tasks.iter().position(|known| known.name == task)) {
            (Some(variant), _) => format!("variants.values[{}].adapters.{task}", variant.place),
            (None, Some(place)) => format!("tasks[{place}].adapter"),
            (None, None) => "tasks".to_owned(),
        }
    }

    /// The two splits, selection first; one if they are the same.
    pub fn splits(&self) -> Vec<&str> {
        let Evaluation { select, report, .. } = &self.evaluation;
        if select == report { vec![select] } else { vec![select, report] }
    }

    /// The split of whose first examples statistics are made.
    pub fn statistics_split(&self) -> &str {
        let Evaluation { select, statistics, .. } = &self.evaluation;
        statistics.as_deref().unwrap_or(select)
    }

    /// All splits that are read: those that are evaluated, the one that statistics are made of, and those that coefficients
    /// are tuned on.
    pub fn data_splits(&self) -> Vec<&str> {
        let mut splits = self.splits();
        let statistics = self.statistics_split();
        let tuned = self.learned.iter().map(|learned| learned.split.as_str());
        for split in std::iter::once(statistics).chain(tuned) {
            if !splits.contains(&split) {
                splits.push(split);
            }
        }
        splits
    }

    /// Whether individually fine-tuned accuracies mean anything here: they do not in a joint benchmark.
    pub fn has_denominators(&self) -> bool {
        !self.evaluation.benchmark.is_joint()
    }
}

#[cfg(test)]
mod tests;
