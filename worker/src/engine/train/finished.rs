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
        let record = json!({
            "version": 1,
            "task": task,
            "settings": settings,
            "split": validation.name,
            "after": {"correct": correct, "n": n},
            "steps": self.state.trace,
        });
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
            notes: format!("{correct} of {n} right on `{}` ({percent:.1} %).", validation.name),
            record: format!("{record:#}\n"),
        };
        Ok(write_trained(&output, folder.path())?)
    }

    /// What the last step found, and the accuracy after it.
    pub(super) fn facts(&self) -> BTreeMap<String, f64> {
        let mut facts = BTreeMap::from([
            ("steps".to_owned(), self.state.steps() as f64),
            ("correct".to_owned(), self.score.correct as f64),
            ("examples".to_owned(), self.score.n as f64),
        ]);
        if let Some(last) = self.state.trace.last() {
            facts.insert("loss".to_owned(), last.loss);
            facts.insert("gradient_norm".to_owned(), last.gradient_norm);
            facts.insert("rate".to_owned(), last.rate);
        }
        facts
    }
}
