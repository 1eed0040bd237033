use super::{HubModel, HubTask};
use crate::{SplitSummary, SummaryRow, TaskSummary};
use serde::Serialize;

/// The front matter's key.
#[derive(Serialize)]
struct Front<'a> {
    #[serde(rename = "model-index")]
    model_index: [Model<'a>; 1],
}

#[derive(Serialize)]
struct Model<'a> {
    name: &'a str,
    results: Vec<Measured<'a>>,
}

/// Numbers on one data set.
#[derive(Serialize)]
struct Measured<'a> {
    task: Kind<'a>,
    dataset: Dataset<'a>,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Kind<'a> {
    r#type: &'a str,
}

#[derive(Serialize)]
struct Dataset<'a> {
    name: &'a str,
    r#type: &'a str,
    split: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
}

#[derive(Serialize)]
struct Metric {
    r#type: &'static str,
    value: f64,
    name: &'static str,
}

/// The numbers of a row on the report split, as YAML; `None` if there are none.
///
/// A data set that is not on the hub is called by its task: the hub asks for a name.
pub(super) fn model_index(model: &HubModel<'_>, row: &SummaryRow) -> Option<String> {
    let report = &model.summary.splits.report;
    let split = row.splits.get(report)?;
    let of_task = |score| measured(model.tasks, score, report);
    let mut results: Vec<Measured<'_>> = split.tasks.iter().map(of_task).collect();
    results.extend(over_all(model, split, report));
    let front = Front { model_index: [Model { name: &model.summary.sweep, results }] };
    Some(serde_saphyr::to_string(&front).expect("numbers and texts under plain names"))
}

fn measured<'a>(tasks: &'a [HubTask], score: &'a TaskSummary, split: &'a str) -> Measured<'a> {
    let task = tasks.iter().find(|task| task.name == score.task);
    let hub = task.and_then(|task| task.dataset.as_ref());
    let is_joint = task.is_some_and(|task| task.is_joint);
    // A metric that is no count has no right answers.
    let metric = match (score.correct.is_some() || score.n.is_none(), is_joint) {
        (true, false) => Metric { r#type: "accuracy", value: score.accuracy, name: "Accuracy" },
        (true, true) => {
            Metric { r#type: "accuracy", value: score.accuracy, name: "Accuracy among the classes of all tasks" }
        }
        (false, _) => Metric { r#type: "score", value: score.accuracy, name: "Mean of the evaluator's metric" },
    };
    Measured {
        task: Kind { r#type: task.map_or("other", |task| task.kind) },
        dataset: Dataset {
            name: &score.task,
            r#type: hub.map_or(&score.task, |dataset| &dataset.id),
            split,
            revision: hub.and_then(|dataset| dataset.revision.as_deref()),
        },
        metrics: vec![metric],
    }
}

/// The means over the tasks.
fn over_all<'a>(model: &HubModel<'a>, split: &SplitSummary, report: &'a str) -> Option<Measured<'a>> {
    let mean = split.mean_accuracy.map(|value| Metric { r#type: "mean_accuracy", value, name: "Mean accuracy" });
    let normalised = split.mean_normalised.map(|value| Metric {
        r#type: "mean_normalised_accuracy",
        value,
        name: "Mean of the accuracies divided by those of the single adapters",
    });
    let metrics: Vec<Metric> = mean.into_iter().chain(normalised).collect();
    let kind = model.tasks.first().map_or("other", |task| task.kind);
    let dataset = Dataset { name: "all tasks", r#type: &model.summary.sweep, split: report, revision: None };
    (!metrics.is_empty()).then_some(Measured { task: Kind { r#type: kind }, dataset, metrics })
}
