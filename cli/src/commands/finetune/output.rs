use crate::failure::{Failure, FinetuneFailure};
use evaluation::{PerTaskScore, TrainState, TrainedAdapter};
use jobs::{InputRef, TrainSettings};
use merging::{TrainedFactors, TrainedOutput, write_trained};
use serde_json::json;
use std::path::Path;

/// A trained adapter with the facts that its card states.
pub(super) struct Finished<'a> {
    pub(super) adapter: &'a TrainedAdapter,
    pub(super) state: &'a TrainState,
    pub(super) settings: &'a TrainSettings,
    pub(super) classes: usize,
    pub(super) is_of_texts: bool,
    pub(super) task: &'a str,
    pub(super) base: &'a InputRef,
    /// All linear layers of the base.
    pub(super) linears: Vec<String>,
    /// The split that it was measured on, and the scores of the base and of the adapter there.
    pub(super) split: &'a str,
    pub(super) before: &'a PerTaskScore,
    pub(super) after: &'a PerTaskScore,
}

impl Finished<'_> {
    /// Writes the folder.
    pub(super) fn write(&self, out: &Path) -> Result<(), Failure> {
        let hub = match self.base {
            InputRef::Hub(hub) => Some(hub),
            InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
        };
        let modules = self.adapter.modules.iter();
        let output = TrainedOutput {
            modules: modules.map(|module| TrainedFactors { name: &module.name, a: &module.a, b: &module.b }).collect(),
            linears: self.linears.clone(),
            head: self.adapter.head.as_deref(),
            classes: self.classes,
            settings: self.settings,
            is_of_texts: self.is_of_texts,
            base_model: hub.map(|hub| hub.repository.clone()),
            revision: hub.and_then(|hub| hub.revision.clone()),
            task: self.task.to_owned(),
            notes: format!("{}.{}", self.accuracies(), self.kept_in_words()),
            record: format!("{:#}\n", self.record()),
        };
        Ok(write_trained(&output, out).map_err(FinetuneFailure::Output)?)
    }

    /// The accuracies, in words.
    pub(super) fn accuracies(&self) -> String {
        let share = |score: &PerTaskScore| 100.0 * score.correct as f64 / score.n.max(1) as f64;
        format!(
            "{} of {} right on `{}` ({:.1} %), {} before training ({:.1} %)",
            self.after.correct,
            self.after.n,
            self.split,
            share(self.after),
            self.before.correct,
            share(self.before)
        )
    }

    /// The step that early stopping kept; empty without it.
    pub(super) fn kept_in_words(&self) -> String {
        let stopping = self.settings.early_stopping;
        let Some(kept) = stopping.as_ref().and_then(|stopping| self.state.kept_evaluation(stopping)) else {
            return String::new();
        };
        let made = self.state.steps();
        format!(" Early stopping kept the adapter after step {} of {made} that were made.", kept.steps)
    }

    fn record(&self) -> serde_json::Value {
        let score = |score: &PerTaskScore| json!({"correct": score.correct, "n": score.n});
        let mut record = json!({
            "version": 1,
            "task": self.task,
            "settings": self.settings,
            "split": self.split,
            "before": score(self.before),
            "after": score(self.after),
            "steps": self.state.trace,
        });
        if let Some(stopping) = &self.settings.early_stopping {
            record["evaluations"] = json!(self.state.evaluations);
            record["kept"] = json!(self.state.kept_evaluation(stopping));
        }
        record
    }
}
