//! `evaluation` and `metric`.

use super::{check_name, command::CommandKeys, reference};
use crate::{
    Benchmark, Evaluation, Goal, HeadSpec, HubKind, JointHeadSpec, Metric, Objective, PrecisionChoice, SweepError,
    Task,
    sweep::file::{BenchmarkFile, EvaluationFile, GoalFile, MetricFile},
};
use std::path::Path;

pub(super) fn check_evaluation(
    mut file: EvaluationFile,
    tasks: &[Task],
    folder: &Path,
) -> Result<Evaluation, SweepError> {
    let evaluation = match CommandKeys::take(&mut file).check(folder)? {
        Some(command) => by_command(command, file)?,
        None => by_bowline(file, tasks, folder)?,
    };
    let Evaluation { select, report, statistics, .. } = &evaluation;
    check_name("evaluation.select", select)?;
    check_name("evaluation.report", report)?;
    statistics.iter().try_for_each(|split| check_name("evaluation.statistics", split))?;
    Ok(evaluation)
}

/// The evaluation by a command, which leaves nothing else to say but the splits.
fn by_command(command: Benchmark, file: EvaluationFile) -> Result<Evaluation, SweepError> {
    let EvaluationFile { benchmark, select, report, statistics, precision, head, map, .. } = file;
    let keys = [
        ("benchmark", benchmark.is_some()),
        ("statistics", statistics.is_some()),
        ("precision", precision.is_some()),
        ("head", head.is_some()),
        ("map", map.is_some()),
    ];
    if let Some((key, _)) = keys.into_iter().find(|(_, is_there)| *is_there) {
        let problem = "has no effect beside `evaluation.command`, which scores the tasks by itself";
        return Err(SweepError::invalid(format!("evaluation.{key}"), problem));
    }
    Ok(Evaluation { benchmark: command, select, report, statistics: None, precision: PrecisionChoice::F32 })
}

/// The evaluation by a benchmark of ours.
fn by_bowline(file: EvaluationFile, tasks: &[Task], folder: &Path) -> Result<Evaluation, SweepError> {
    let EvaluationFile { benchmark, select, report, statistics, precision, head, map, .. } = file;
    let benchmark = benchmark.unwrap_or_default();
    let precision = precision.unwrap_or_default();
    let has_texts = tasks.iter().any(|task| task.text().is_some());
    if has_texts && benchmark == BenchmarkFile::Joint {
        let problem = "is `joint`, which is for images; tasks with texts have `per_task`";
        return Err(SweepError::invalid("evaluation.benchmark", problem));
    }
    let benchmark = match (benchmark, head, map) {
        (BenchmarkFile::PerTask, None, None) => Benchmark::PerTask,
        (BenchmarkFile::PerTask, ..) => {
            return Err(SweepError::invalid("evaluation", "has `head` or `map`, which only `benchmark: joint` reads"));
        }
        (BenchmarkFile::Joint, Some(head), Some(map)) => {
            let head = reference("evaluation.head", &head, folder, HubKind::Model)?;
            let map = reference("evaluation.map", &map, folder, HubKind::Model)?;
            Benchmark::Joint { files: Some(JointHeadSpec { head, map }) }
        }
        (BenchmarkFile::Joint, None, None) => Benchmark::Joint { files: None },
        (BenchmarkFile::Joint, ..) => {
            return Err(SweepError::invalid("evaluation", "needs both `head` and `map`, or neither"));
        }
    };
    for (i, task) in tasks.iter().enumerate() {
        let problem = match &benchmark {
            Benchmark::PerTask => (task.head.is_none() && !task.trains_new_head())
                .then_some("needs a `head`, or `classes` and `templates`"),
            Benchmark::Joint { files: None } => (!matches!(task.head, Some(HeadSpec::Prompts { .. })))
                .then_some("needs `classes` and `templates`: the joint head is built from them"),
            Benchmark::Joint { files: Some(_) } | Benchmark::Command(_) => None,
        };
        if let Some(problem) = problem {
            return Err(SweepError::invalid(format!("tasks[{i}]"), problem));
        }
    }
    Ok(Evaluation { benchmark, select, report, statistics, precision })
}

pub(super) fn check_metric(file: MetricFile, benchmark: &Benchmark, tasks: &[Task]) -> Result<Objective, SweepError> {
    let is_joint = benchmark.is_joint();
    let default = if is_joint { "joint_hits@3" } else { "mean_normalised_accuracy" };
    let path = "metric.name";
    let metric = file.name.as_deref().unwrap_or(default).parse::<Metric>();
    let metric = metric.map_err(|source| SweepError::Metric { path: path.to_owned(), source })?;
    check_fits(path, &metric, benchmark, tasks)?;
    let goal = match file.goal {
        GoalFile::Maximize => Goal::Maximize,
        GoalFile::Minimize => Goal::Minimize,
    };
    Ok(Objective { metric, goal })
}

/// Whether the metric has a value in the benchmark.
pub(super) fn check_fits(path: &str, metric: &Metric, benchmark: &Benchmark, tasks: &[Task]) -> Result<(), SweepError> {
    let is_joint = benchmark.is_joint();
    let problem = match metric {
        Metric::JointHits(_) if !is_joint => "counts hits among joint labels: it needs `benchmark: joint`",
        Metric::MeanNormalisedAccuracy | Metric::WorstNormalisedAccuracy if is_joint => {
            "has no denominators in a joint benchmark: use `joint_hits@3`"
        }
        Metric::Accuracy(task) if tasks.iter().all(|known| known.name != *task) => "names a task that is not listed",
        Metric::MeanNormalisedAccuracy
        | Metric::MeanAccuracy
        | Metric::WorstNormalisedAccuracy
        | Metric::WorstAccuracy
        | Metric::JointHits(_)
        | Metric::Accuracy(_) => "",
    };
    if !problem.is_empty() {
        return Err(SweepError::invalid(path, problem));
    }
    Ok(())
}
