//! The sweep file as people write it: untyped where two spellings are allowed.

use crate::{
    CoefficientBasis, CoefficientScope, CommandModel, PrecisionChoice, RecipeSpec, ShuffleLike, TuneGuard,
    TuneObjective,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SweepFile {
    pub(super) name: String,
    pub(super) base: String,
    pub(super) tasks: Vec<TaskFile>,
    #[serde(default)]
    pub(super) evaluation: EvaluationFile,
    pub(super) method: Option<MethodFile>,
    pub(super) trials: Option<u32>,
    pub(super) seed: Option<u64>,
    #[serde(default)]
    pub(super) metric: MetricFile,
    pub(super) goals: Option<Vec<String>>,
    pub(super) recipe: Option<RecipeSpec>,
    pub(super) parameters: Option<Map<String, Value>>,
    pub(super) replicates: Option<Value>,
    #[serde(default)]
    pub(super) searches: Vec<SearchFile>,
    /// Named recipes: the name stands among the recipe's own keys.
    #[serde(default)]
    pub(super) baselines: Vec<Map<String, Value>>,
    #[serde(default)]
    pub(super) learned: Vec<LearnedFile>,
    /// A map of published figures. The program replaces the path of a file by its content.
    pub(super) reference: Option<Value>,
    pub(super) subsets: Option<SubsetsFile>,
    pub(super) racing: Option<RacingFile>,
    /// How adapters are trained, for all tasks.
    pub(super) training: Option<Value>,
    pub(super) variants: Option<VariantsFile>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RacingFile {
    pub(super) error_rate: Option<f64>,
    pub(super) slice: Option<u64>,
    pub(super) indifference: Option<f64>,
    pub(super) round: Option<u32>,
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantsFile {
    pub(super) key: String,
    /// The pattern of the adapters of all values, with `{value}` and `{task}`.
    pub(super) adapter: Option<String>,
    /// Bare values, or maps of [`VariantFile`].
    pub(super) values: Vec<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantFile {
    pub(super) value: Value,
    /// A pattern with `{task}`.
    pub(super) adapter: Option<String>,
    /// The adapters by task.
    pub(super) adapters: Option<BTreeMap<String, String>>,
    /// What differs from `training`: the sweep trains the adapters of all tasks.
    pub(super) training: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubsetsFile {
    pub(super) sizes: Vec<u64>,
    pub(super) samples: Option<u32>,
    pub(super) seed: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LearnedFile {
    pub(super) name: Option<String>,
    pub(super) split: String,
    pub(super) examples: Option<u64>,
    #[serde(default = "agreement")]
    pub(super) objective: TuneObjective,
    #[serde(default = "per_task")]
    pub(super) per: CoefficientScope,
    #[serde(default)]
    pub(super) basis: CoefficientBasis,
    pub(super) start: Option<f64>,
    pub(super) rate: Option<f64>,
    pub(super) steps: Option<usize>,
    pub(super) batch: Option<usize>,
    pub(super) seed: Option<u64>,
    pub(super) guard: Option<TuneGuard>,
}

fn agreement() -> TuneObjective {
    TuneObjective::Agreement
}

fn per_task() -> CoefficientScope {
    CoefficientScope::Task
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskFile {
    pub(super) name: String,
    /// A reference, or `train` with a map of what differs from `training`. Absent where variants name the adapters.
    pub(super) adapter: Option<Value>,
    /// A reference, or a map of [`DataFile`]. Absent where a command evaluates the task by itself.
    pub(super) data: Option<Value>,
    pub(super) head: Option<String>,
    pub(super) classes: Option<Vec<String>>,
    pub(super) templates: Option<Vec<String>>,
    #[serde(default)]
    pub(super) finetuned: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DataFile {
    pub(super) source: String,
    pub(super) image_column: Option<String>,
    pub(super) label_column: Option<String>,
    /// The name of a convention, which stands for the keys below.
    pub(super) convention: Option<String>,
    pub(super) text_columns: Option<Vec<String>>,
    /// Keys are raw labels: a number reads as its text.
    pub(super) labels: Option<BTreeMap<String, u32>>,
    pub(super) drop_labels: Option<Vec<Value>>,
    pub(super) mask_classes: Option<Vec<u32>>,
    pub(super) max_length: Option<u32>,
    pub(super) splits: Option<BTreeMap<String, SplitFile>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SplitFile {
    pub(super) from: Option<String>,
    pub(super) share: Option<[f64; 2]>,
    pub(super) shuffle_seed: Option<u64>,
    pub(super) shuffle_like: Option<ShuffleLike>,
    pub(super) indices: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvaluationFile {
    pub(super) benchmark: Option<BenchmarkFile>,
    #[serde(default = "validation")]
    pub(super) select: String,
    #[serde(default = "test")]
    pub(super) report: String,
    pub(super) statistics: Option<String>,
    pub(super) precision: Option<PrecisionChoice>,
    pub(super) head: Option<String>,
    pub(super) map: Option<String>,
    /// The program and its arguments; the keys below need it.
    pub(super) command: Option<Vec<String>>,
    /// A list of paths, or a map from a name in the working folder to a reference.
    pub(super) files: Option<Value>,
    /// Texts and numbers.
    pub(super) environment: Option<Map<String, Value>>,
    pub(super) pass: Option<Vec<String>>,
    pub(super) write: Option<CommandModel>,
    /// Seconds, or a text with a unit.
    pub(super) timeout: Option<Value>,
    /// A text with a unit.
    pub(super) memory: Option<Value>,
}

impl Default for EvaluationFile {
    fn default() -> Self {
        Self {
            benchmark: None,
            select: validation(),
            report: test(),
            statistics: None,
            precision: None,
            head: None,
            map: None,
            command: None,
            files: None,
            environment: None,
            pass: None,
            write: None,
            timeout: None,
            memory: None,
        }
    }
}

fn validation() -> String {
    "validation".to_owned()
}

fn test() -> String {
    "test".to_owned()
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BenchmarkFile {
    #[default]
    PerTask,
    Joint,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum MethodFile {
    Linear,
    Grid,
    Random,
    Bracket,
    Portfolio,
    Tpe,
    CmaEs,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetricFile {
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) goal: GoalFile,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GoalFile {
    #[default]
    Maximize,
    Minimize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchFile {
    pub(super) name: Option<String>,
    /// The method of the published figures that its row stands beside.
    pub(super) published: Option<String>,
    pub(super) recipe: RecipeSpec,
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    /// The number of points, in place of that of the sweep.
    pub(super) trials: Option<u32>,
    pub(super) replicates: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterFile {
    pub(super) values: Option<Vec<Value>>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) step: Option<f64>,
    #[serde(default)]
    pub(super) log: bool,
}
