//! What a leg of a training comes to.

use crate::JobError;
use evaluation::{PerTaskScore, TrainState, TrainedAdapter};
use jobs::TrainSpec;
use merging::{TrainedFactors, TrainedOutput, write_trained};
use serde_json::json;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A leg that is over.
pub(super) struct Finished<'a> {
    pub(super) spec: &'a TrainSpec,
    pub(super) state: &'a TrainState,
    pub(super) adapter: &'a TrainedAdapter,
    /// Classes of the head.
    pub(super) classes: usize,
    pub(super) score: PerTaskScore,
}

impl Finished<'_> {
    /// Writes the PEFT folder; `linears` are the names of all linear layers of the base.
    pub(super) fn write_adapter(
        &self,
        folder: &TempDir,
        linears: Vec<String>,
        is_of_texts: bool,
    ) -> Result<(), JobError> {
        let TrainSpec { task, settings, validation, .. } = self.spec;
        let PerTaskScore { correct, n, .. } = self.score;
        let percent = 100.0 * correct as f64 / n.max(1) as f64;
        let mut record = json!({
            "version": 1,
            "task": task,
            "settings": settings,
            "split": validation.name,
            "after": {"correct": correct, "n": n},
            "steps": self.state.trace,
        });
        if let Some(stopping) = &settings.early_stopping {
            record["evaluations"] = json!(self.state.evaluations);
            record["kept"] = json!(self.state.kept_evaluation(stopping));
        }
        let modules = self.adapter.modules.iter();
        let output = TrainedOutput {
            modules: modules.map(|module| TrainedFactors { name: &module.name, a: &module.a, b: &module.b }).collect(),
            linears,
            head: self.adapter.head.as_deref(),
            classes: self.classes,
            settings,
            is_of_texts,
            // A name would be part of the bytes, and the job's id knows the base by its content.
            base_model: None,
            revision: None,
            task: task.clone(),
            notes: format!("{correct} of {n} right on `{}` ({percent:.1} %).{}", validation.name, self.kept_in_words()),
            record: format!("{record:#}\n"),
        };
        Ok(write_trained(&output, folder.path())?)
    }

    /// The step that early stopping kept; empty without it.
    fn kept_in_words(&self) -> String {
        let TrainSpec { settings, validation, .. } = self.spec;
        let kept =
            settings.early_stopping.and_then(|stopping| Some((stopping, self.state.kept_evaluation(&stopping)?)));
        let Some((stopping, kept)) = kept else { return String::new() };
        format!(
            " Early stopping by {} on `{}` kept the adapter after step {} of {} that were made, of {} at most.",
            stopping.metric.name(),
            validation.name,
            kept.steps,
            self.state.steps(),
            self.spec.steps()
        )
    }
}

/// What the last step found, and the examples that are named rightly. They are those of the adapter after the last step, but after
/// the last leg of a training that stops early, which writes the adapter of the step that was kept: `measured_step` says which.
pub(super) fn facts(spec: &TrainSpec, state: &TrainState, correct: usize, n: usize) -> BTreeMap<String, f64> {
    let mut facts = BTreeMap::from([
        ("steps".to_owned(), state.steps() as f64),
        ("correct".to_owned(), correct as f64),
        ("examples".to_owned(), n as f64),
    ]);
    let stopping = spec.settings.early_stopping;
    if let Some(kept) = stopping.as_ref().and_then(|stopping| state.kept_evaluation(stopping)) {
        facts.insert("kept_step".to_owned(), kept.steps as f64);
        facts.insert("kept_correct".to_owned(), kept.correct as f64);
        facts.insert("kept_loss".to_owned(), kept.loss);
        if spec.is_last() {
            facts.insert("measured_step".to_owned(), kept.steps as f64);
        }
    }
    if let Some(last) = state.trace.last() {
        facts.insert("loss".to_owned(), last.loss);
        facts.insert("gradient_norm".to_owned(), last.gradient_norm);
        facts.insert("rate".to_owned(), last.rate);
    }
    facts
}
