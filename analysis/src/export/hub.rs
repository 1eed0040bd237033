//! What the Hugging Face hub reads of a model: `model-index` in the front matter of its card, and `.eval_results`.
//!
//! # Source
//! `EvalResult`, `model_index_to_eval_results` and `EvalResultEntry` of `huggingface_hub`, and
//! <https://huggingface.co/docs/hub/eval-results>. `scripts/check-exports` reads the files with that package.

mod index;

use super::{ExportError, time::UtcTime};
use crate::{Summary, SummaryRow};
use index::model_index;
use jobs::{Benchmark, InputRef, Manifest};
use serde::Serialize;

/// A sweep as the hub sees its winner.
#[derive(Debug, Clone, Copy)]
pub struct HubModel<'a> {
    /// The sweep.
    pub summary: &'a Summary,
    /// Its tasks.
    pub tasks: &'a [HubTask],
}

/// A task of a sweep, in the hub's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubTask {
    /// Its name in the sweep.
    pub name: String,
    /// The hub's name of such tasks, such as `image-classification`.
    pub kind: &'static str,
    /// The data, if they are on the hub.
    pub dataset: Option<HubDataset>,
    /// Whether an answer is chosen among the classes of all tasks.
    pub is_joint: bool,
}

/// A data set on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubDataset {
    /// `owner/name`.
    pub id: String,
    /// The commit that was read.
    pub revision: Option<String>,
}

/// A file of `.eval_results`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalResults {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
}

/// A result of the chosen row on a data set that the hub knows as a benchmark.
#[derive(Serialize)]
struct Entry<'a> {
    dataset: EntryDataset<'a>,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    notes: String,
}

#[derive(Serialize)]
struct EntryDataset<'a> {
    id: &'a str,
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
}

impl HubTask {
    /// The tasks of a sweep.
    pub fn of(manifest: &Manifest) -> Vec<Self> {
        let benchmark = &manifest.sweep.evaluation.benchmark;
        let task = |task: &jobs::Task| {
            let kind = match (benchmark, task.text()) {
                // What a command measures only its author knows.
                (Benchmark::Command(_), _) => "other",
                (Benchmark::PerTask | Benchmark::Joint { .. }, Some(_)) => "text-classification",
                (Benchmark::PerTask | Benchmark::Joint { .. }, None) => "image-classification",
            };
            let dataset = task.data.as_ref().and_then(|data| match &data.source {
                InputRef::Hub(hub) => {
                    let commit = manifest.commits.iter().find(|(input, _)| is_data_of(input, &task.name));
                    let revision = commit.map(|(_, commit)| commit.clone());
                    Some(HubDataset { id: hub.repository.clone(), revision })
                }
                InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
            });
            Self { name: task.name.clone(), kind, dataset, is_joint: benchmark.is_joint() }
        };
        manifest.sweep.tasks.iter().map(task).collect()
    }
}

/// Whether an input of a manifest is the data of a task, or one of its splits. Names of splits have no dots.
fn is_data_of(input: &str, task: &str) -> bool {
    let Some(data) = input.strip_prefix("data.") else { return false };
    data == task || data.rsplit_once('.').is_some_and(|(of, _)| of == task)
}

impl HubModel<'_> {
    /// The card with the numbers of the chosen row on the report split as `model-index` in its front matter, in place of
    /// those that are there; unchanged if nothing was chosen or reported.
    pub fn describe(&self, card: &str) -> String {
        let Some(index) = self.chosen().and_then(|row| model_index(self, row)) else { return card.to_owned() };
        let (front, body) = divided(card);
        let mut lines: Vec<&str> = Vec::new();
        let mut is_index = false;
        for line in front.lines() {
            // The old index ends where the next key begins.
            let is_key = !line.starts_with([' ', '-']);
            is_index = line.starts_with("model-index:") || (is_index && !is_key);
            if !is_index {
                lines.push(line);
            }
        }
        let front: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        format!("---\n{front}{index}---\n{body}")
    }

    /// A file for each task that has an id in the benchmark of its data set: `ids` are pairs of a task and that id.
    ///
    /// # Errors
    /// There is no such task, its data are not on the hub, or nothing was chosen.
    pub fn eval_results(&self, ids: &[BenchmarkTask]) -> Result<Vec<EvalResults>, ExportError> {
        let Summary { sweep, splits, newest_ms, .. } = self.summary;
        let no_choice = || ExportError::NoChoice { sweep: sweep.clone() };
        let mut files = Vec::new();
        for BenchmarkTask { task: name, id } in ids {
            let task = self.tasks.iter().find(|task| task.name == *name);
            let task = task.ok_or_else(|| ExportError::NoTask { task: name.clone(), sweep: sweep.clone() })?;
            let dataset = task.dataset.as_ref().ok_or_else(|| ExportError::NotOnHub { task: name.clone() })?;
            let row = self.chosen().ok_or_else(no_choice)?;
            let split = row.splits.get(&splits.report).ok_or_else(no_choice)?;
            let score = split.tasks.iter().find(|of| of.task == *name).ok_or_else(no_choice)?;
            let examples = score.n.map(|n| format!(" {n} examples of")).unwrap_or_default();
            let entry = Entry {
                dataset: EntryDataset { id: &dataset.id, task_id: id, revision: dataset.revision.as_deref() },
                value: score.accuracy,
                date: (*newest_ms > 0).then(|| UtcTime::of_ms(*newest_ms).iso()),
                notes: format!(
                    "merge of LoRA adapters by bowline; share of right answers on{examples} the split {}",
                    splits.report
                ),
            };
            let content = serde_saphyr::to_string(&[entry]).expect("numbers and texts under plain names");
            files.push(EvalResults { name: format!("{}.yaml", super::folder_name("a task", name)?), content });
        }
        Ok(files)
    }

    fn chosen(&self) -> Option<&SummaryRow> {
        self.summary.best()
    }
}

/// A task of a sweep, and its id in the benchmark of its data set on the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BenchmarkTask {
    /// The task's name in the sweep.
    pub task: String,
    /// The id of the task in the `eval.yaml` of the data set.
    pub id: String,
}

/// The front matter of a card, and what follows; a card may have none.
fn divided(card: &str) -> (&str, &str) {
    let parts = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    parts.unwrap_or(("", card))
}

#[cfg(test)]
mod tests;
