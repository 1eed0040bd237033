use super::*;
use crate::{Summary, testing::Made};
use jobs::{FailureRecord, Raced, RowKind};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// The small sweep: of the three points of its search the first one was raced out and the second one failed.
async fn runs() -> SweepRuns {
    runs_of(|_| {}).await
}

async fn runs_of(change: impl FnOnce(&mut Made)) -> SweepRuns {
    let mut made = Made::small();
    let row = made.outcome.rows.last_mut().unwrap();
    let RowKind::Search { points, .. } = &mut row.kind else { panic!("the last row is a search") };
    points[0].value = None;
    points[0].raced = Some(Raced { led: false, examples: 40, of: 200 });
    points[1].value = None;
    for point in &points[..2] {
        made.results.found.remove(&point.job);
    }
    change(&mut made);
    let frame = made.frame().await;
    let summary = Summary::build(&made.outcome, &made.results, None);
    let RowKind::Search { points, .. } = &made.outcome.rows.last().unwrap().kind else { panic!("it is a search") };
    let failed = FailureRecord {
        job: points[1].job,
        spec: made.results.found.values().next().unwrap().meaning.clone().into(),
        attempt: 2,
        sweep: None,
        is_final: true,
        blame: None,
        errors: vec!["cannot merge".to_owned(), "out of memory".to_owned()],
        worker: "worker-2".to_owned(),
        machine: None,
        failed_ms: 9000,
    };
    SweepRuns::of(&frame, &made.outcome, &summary, &[&failed]).unwrap()
}

/// Every file below a folder with its text.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            all.extend(files(&entry.path()).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            all.insert(name, String::from_utf8_lossy(&fs::read(entry.path()).unwrap()).into_owned());
        }
    }
    all
}

fn counted(runs: &SweepRuns, state: RunState) -> usize {
    runs.runs.iter().filter(|run| run.state == state).count()
}

#[tokio::test]
async fn points_without_a_whole_result_are_marked_and_have_no_metrics() {
    let runs = runs().await;
    assert_eq!(
        (counted(&runs, RunState::Raced), counted(&runs, RunState::Failed), counted(&runs, RunState::Missing)),
        (1, 1, 0)
    );
    for run in &runs.runs {
        assert_eq!(run.metrics.is_empty(), run.state != RunState::Finished, "{run:?}");
        assert!(run.parameter("split").is_some() && run.parameter("subject").is_some(), "{run:?}");
    }
    let find = |state: RunState| runs.runs.iter().find(|run| run.state == state).unwrap();
    let fact = |run: &Run, name: &str| run.facts.iter().find(|fact| fact.name == name).unwrap().value.clone();
    let raced = find(RunState::Raced);
    assert_eq!((fact(raced, "race_examples"), fact(raced, "race_examples_of")), (Value::Whole(40), Value::Whole(200)));
    assert_eq!(raced.parameter("scaling").as_deref(), Some("0.1"));
    let failed = find(RunState::Failed);
    assert_eq!(fact(failed, "error"), Value::Text("cannot merge: out of memory".to_owned()));
    assert_eq!(failed.finished_ms, Some(9000));
}

#[tokio::test]
async fn runs_are_of_the_rows_that_name_them_and_what_was_chosen_is_marked() {
    let runs = runs().await;
    let of = |kind: RunKind| runs.runs.iter().filter(|run| run.kind == kind).count();
    // The base and two adapters, a fixed recipe, and a search with three points: each but the points on two splits.
    assert_eq!((of(RunKind::Reference), of(RunKind::Baseline)), (6, 2));
    let chosen: Vec<_> =
        runs.runs.iter().filter(|run| run.is_chosen).map(|run| run.parameter("split").unwrap()).collect();
    assert_eq!(chosen.len(), 2, "{chosen:?}");
    let ids: std::collections::BTreeSet<String> = runs.runs.iter().map(|run| runs.run_id(run)).collect();
    assert_eq!(ids.len(), runs.runs.len());
}

#[tokio::test]
async fn a_result_that_is_gone_is_a_run_without_metrics() {
    let runs = runs_of(|made| {
        let RowKind::Search { points, .. } = &made.outcome.rows.last().unwrap().kind else { panic!("it is a search") };
        let chosen = points[2].job;
        made.results.found.remove(&chosen);
    })
    .await;
    assert_eq!(counted(&runs, RunState::Missing), 1);
}

#[tokio::test]
async fn csv_has_one_line_for_each_run_with_all_digits() {
    insta::assert_snapshot!(csv::runs(&runs().await));
}

#[tokio::test]
async fn mlflow_finds_an_experiment_with_parameters_metrics_and_tags_as_files() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("an export");
    let runs = runs().await;
    runs.write(ExportTarget::Mlflow, &out).unwrap();
    let place = format!("{}/an%20export", folder.path().display());
    let all = files(&out);
    assert_eq!(all.keys().filter(|name| name.ends_with("/meta.yaml")).count(), runs.runs.len() + 1);
    // One run of each state, and the experiment itself.
    let first = |state: RunState| runs.run_id(runs.runs.iter().find(|run| run.state == state).unwrap());
    let shown = [RunState::Finished, RunState::Raced, RunState::Failed].map(first);
    let is_shown = |name: &str| name.matches('/').count() == 2 || shown.iter().any(|id| name.contains(id));
    let text: String = all
        .into_iter()
        .filter(|(name, _)| is_shown(name))
        .map(|(name, text)| format!("== {name}\n{}\n", text.replace(&place, "PLACE").trim_end()))
        .collect();
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn trackio_gets_one_json_document_for_each_run_and_a_script() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("trackio");
    runs().await.write(ExportTarget::Trackio, &out).unwrap();
    let files = files(&out);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["import.py", "runs.jsonl"]);
    insta::assert_snapshot!(files["runs.jsonl"]);
}

#[tokio::test]
async fn wandb_gets_a_folder_for_each_run_under_its_time_and_id() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("wandb");
    let runs = runs().await;
    runs.write(ExportTarget::Wandb, &out).unwrap();
    let files = files(&out);
    assert_eq!(files.len(), runs.runs.len());
    for run in &runs.runs {
        let id = runs.run_id(run);
        let file = files.iter().find(|(name, _)| name.ends_with(&format!("-{id}/run-{id}.wandb"))).unwrap();
        assert!(file.0.starts_with("wandb/offline-run-19700101_00000"), "{}", file.0);
        assert!(file.1.contains(&run.name()) && file.1.starts_with(":W&B"), "{}", file.1);
        assert_eq!(file.1.contains("mean_accuracy"), run.state == RunState::Finished);
    }
}

#[tokio::test]
async fn an_export_replaces_nothing_and_leaves_nothing_behind_when_it_fails() {
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("out");
    let all = runs().await;
    fs::create_dir(&out).unwrap();
    all.write(ExportTarget::Csv, &out).unwrap();
    let error = all.write(ExportTarget::Csv, &out).unwrap_err();
    assert!(error.to_string().ends_with("exists; an export replaces nothing, so name a new folder"), "{error}");
    let error = all.write(ExportTarget::Csv, &folder.path().join("..")).unwrap_err();
    assert!(matches!(error, ExportError::Unnamed { .. }), "{error}");

    let mut edited = all.clone();
    edited.runs[0].metrics[0].name = "../../escape".to_owned();
    let error = edited.write(ExportTarget::Mlflow, &folder.path().join("edited")).unwrap_err();
    assert!(error.to_string().contains("`../../escape`"), "{error}");
    edited.sweep = "../sweep".to_owned();
    for target in [ExportTarget::Wandb, ExportTarget::Trackio, ExportTarget::Mlflow] {
        assert!(edited.write(target, &folder.path().join("edited")).is_err(), "{target:?}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["out"]);
}
