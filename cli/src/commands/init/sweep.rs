//! The text of a drafted sweep file.

use super::{
    command,
    comment::{comment, shell_word},
    from::Search,
    task::TaskDraft,
    yaml::{keys, list, scalar, value},
};
use evaluation::{ExampleKind, ModelKind};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Presets that merge in small bases, for bases whose whole updates are large.
const SMALL: &str = "[task_arithmetic, knots_ties, core_ties, tsv, iso_c, svc, cart]";

/// The examples of each task that statistics are usually measured on.
pub(super) const EXAMPLES: u64 = 256;

/// What a sweep file is drafted from.
#[derive(Debug)]
pub(super) struct SweepDraft {
    pub(super) name: String,
    /// The base as the file names it.
    pub(super) base: String,
    pub(super) evaluator: EvaluatorDraft,
    /// Whether the weights of the base are large.
    pub(super) is_large: bool,
    pub(super) tasks: Vec<TaskDraft>,
    pub(super) search: SearchDraft,
    /// The presets that are tried, where not all that fit can be.
    pub(super) presets: Option<Vec<String>>,
    /// Where the file is going to lie.
    pub(super) out: PathBuf,
    /// The file of the schema, beside it.
    pub(super) schema: &'static str,
}

/// Who evaluates the models.
#[derive(Debug)]
pub(super) enum EvaluatorDraft {
    /// Bowline, which knows the family of the base.
    Bowline(ModelKind),
    /// A program of the user; what is found of the base, in a sentence.
    Command { description: String },
}

/// What is searched.
#[derive(Debug)]
pub(super) enum SearchDraft {
    /// Every preset that fits, beside the recipe of another tool if there is one.
    Portfolio { beside: Option<Baseline> },
    /// The search of another tool.
    Translated(Search),
}

/// A recipe to compare with.
#[derive(Debug)]
pub(super) struct Baseline {
    /// The tool that it comes from.
    pub(super) tool: &'static str,
    /// Its keys, with weights.
    pub(super) recipe: Map<String, Value>,
    /// What a person has to know of the translation.
    pub(super) remarks: Vec<String>,
}

impl SearchDraft {
    /// The method as sweep files name it.
    pub(super) fn method(&self) -> &str {
        match self {
            Self::Portfolio { .. } => "portfolio",
            Self::Translated(search) => search.method,
        }
    }
}

impl EvaluatorDraft {
    /// What commands that evaluate need beside the sweep file.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Self::Bowline(_) => "",
            Self::Command { .. } => " --allow-commands",
        }
    }
}

impl SweepDraft {
    /// The sweep file. `jobs` is the largest number of jobs of the sweep, if it is known yet.
    pub(super) fn text(&self, jobs: Option<u64>) -> String {
        let mut text = self.head();
        text.push_str(&format!("name: {}\n", scalar(&self.name)));
        let description = match &self.evaluator {
            EvaluatorDraft::Bowline(kind) => format!("The base is {}.", kind.description()),
            EvaluatorDraft::Command { description } => description.clone(),
        };
        text.push_str(&comment("", &description));
        text.push_str(&format!("base: {}\ntasks:\n", scalar(&self.base)));
        self.tasks.iter().for_each(|task| text.push_str(&task.as_yaml()));
        text.push_str(&self.evaluation());
        text.push_str(&self.search(jobs));
        text
    }

    fn head(&self) -> String {
        let out = shell_word(&self.out.to_string_lossy());
        let mut text = format!("# yaml-language-server: $schema={}\n", self.schema);
        let question = match self.tasks.as_slice() {
            [one] => format!("how strong should the adapter of `{}` be in the base?", one.name),
            tasks => format!("which merge of these {} adapters is best on all of their tasks together?", tasks.len()),
        };
        text.push_str(&comment("", &format!("A draft by `bowline init`: {question} Every line can be changed. Next:")));
        let allowed = self.evaluator.allowed();
        let steps = [
            ("plan", "", "checks this file and all inputs, computes nothing"),
            ("check", allowed, "each adapter alone on its own task, beside the base"),
            ("run", allowed, "searches, evaluates the winner on the rows held out for the report, writes it"),
        ];
        let width = 24 + allowed.len();
        for (command, more, what) in steps {
            text.push_str(&format!("#   bowline {:<width$} {what}\n", format!("{command} {out}{more}")));
        }
        text.push_str(&comment(
            "",
            &format!(
                "Results go to the folder bowline-results, or to that of `--store`: in sweeps/{} are the report (report.html) and the winner \
                 as a PEFT adapter (best).",
                self.name
            ),
        ));
        text
    }

    fn evaluation(&self) -> String {
        match &self.evaluator {
            EvaluatorDraft::Bowline(kind) => self.own_evaluation(*kind) + &self.metric(),
            EvaluatorDraft::Command { .. } => command::evaluation() + &self.metric(),
        }
    }

    fn own_evaluation(&self, kind: ModelKind) -> String {
        let mut text = comment(
            "",
            "The search sees the rows of `validation` alone. What it chooses is evaluated once on `test`, and no choice depends on that.",
        );
        let is_half = self.is_large && kind.reads() == ExampleKind::Texts;
        let precision = if is_half {
            text.push_str(&comment("", "The base is large: bf16 takes half the memory of f32."));
            ", precision: bf16"
        } else {
            ""
        };
        text.push_str(&format!("evaluation: {{select: validation, report: test{precision}}}\n"));
        text
    }

    fn metric(&self) -> String {
        let (metric, meaning) = match &self.search {
            SearchDraft::Translated(Search { metric: "mean_accuracy", .. }) => {
                ("mean_accuracy", "The mean of the accuracies on all tasks.")
            }
            SearchDraft::Portfolio { .. } | SearchDraft::Translated(_) => (
                "mean_normalised_accuracy",
                "The mean over the tasks of a merge's accuracy divided by that of the task's own adapter.",
            ),
        };
        comment("", meaning) + &format!("metric: {{name: {metric}, goal: maximize}}\n")
    }

    fn search(&self, jobs: Option<u64>) -> String {
        let at_most = jobs.map(|jobs| format!(" At most {jobs} jobs in all.")).unwrap_or_default();
        match &self.search {
            SearchDraft::Portfolio { beside } => self.portfolio(&at_most, beside.as_ref()),
            SearchDraft::Translated(search) => translated(search, &at_most),
        }
    }

    fn portfolio(&self, at_most: &str, beside: Option<&Baseline>) -> String {
        let which = if self.is_large || self.presets.is_some() {
            "These presets"
        } else {
            "Every preset that fits these adapters"
        };
        let mut text = comment("", &format!("{which} once, then the best three refined.{at_most}"));
        text.push_str("method: portfolio\n");
        if let Some(presets) = &self.presets {
            let why = format!(
                "The others that fit measure {EXAMPLES} examples of each task, and not every task has as many in `validation`."
            );
            text.push_str(&comment("", &why));
            text.push_str(&format!("parameters: {{preset: {}}}\n", list(presets.iter().map(String::as_str))));
        } else if self.is_large {
            let why = "The base is large, and these merge in small bases. Without `parameters`, every preset that fits is tried.";
            text.push_str(&comment("", why));
            text.push_str(&format!("parameters: {{preset: {SMALL}}}\n"));
        }
        text.push_str(&comment("", "To compare with: the plain sum of the updates, times 0.3."));
        text.push_str("baselines:\n  - {name: task arithmetic, preset: task_arithmetic, scaling: 0.3}\n");
        if let Some(Baseline { tool, recipe, remarks }) = beside {
            text.push_str(&comment("  ", &format!("The recipe of {tool}.")));
            remarks.iter().for_each(|remark| text.push_str(&comment("  ", &format!("{remark}."))));
            text.push_str(&format!("  - {{name: {tool}, {}}}\n", keys(recipe)));
        }
        text
    }
}

/// The search of another tool in our words.
fn translated(search: &Search, at_most: &str) -> String {
    let mut text = comment("", &format!("The search of W&B.{at_most}"));
    search.remarks.all().iter().for_each(|remark| text.push_str(&comment("", &format!("{remark}."))));
    text.push_str(&format!("method: {}\n", search.method));
    text.push_str(&search.trials.map(|trials| format!("trials: {trials}\n")).unwrap_or_default());
    text.push_str(&format!("recipe: {{{}}}\nparameters:\n", keys(&search.recipe)));
    for (key, values) in &search.parameters {
        text.push_str(&format!("  {}: {}\n", scalar(key), value(values)));
    }
    text
}
