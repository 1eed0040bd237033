//! Merges whose coefficients are learned.

use super::check_name;
use crate::{
    Evaluation, LearnedMerge, SweepError, Task, TuneGuard, TuneObjective, TuneSettings, sweep::file::LearnedFile,
};

/// What holds where the sweep file leaves it out.
const START: f64 = 0.3;
const RATE: f64 = 0.01;
const STEPS: usize = 60;
const BATCH: usize = 16;
const GUARD: TuneGuard = TuneGuard { every: 5, fall: 0.02 };

pub(super) fn check_learned(
    files: Vec<LearnedFile>,
    evaluation: &Evaluation,
    tasks: &[Task],
) -> Result<Vec<LearnedMerge>, SweepError> {
    files.into_iter().enumerate().map(|(i, file)| check(&format!("learned[{i}]"), file, evaluation, tasks)).collect()
}

fn check(path: &str, file: LearnedFile, evaluation: &Evaluation, tasks: &[Task]) -> Result<LearnedMerge, SweepError> {
    let refuse = |key: &str, problem: String| Err(SweepError::invalid(format!("{path}.{key}"), problem));
    if evaluation.benchmark.command().is_some() {
        let problem = "needs models that Bowline runs itself, and `evaluation.command` evaluates these";
        return Err(SweepError::invalid(path, problem));
    }
    let name = file.name.unwrap_or_else(|| format!("learned by {}", word(file.objective)));
    check_name(&format!("{path}.split"), &file.split)?;
    for (key, split) in [("select", &evaluation.select), ("report", &evaluation.report)] {
        if file.split == *split {
            let problem = format!(
                "is `{split}`, which is `evaluation.{key}`: coefficients look too good on the examples that they were tuned \
                 on; cut a split of its own with a rule under `data.splits`"
            );
            return refuse("split", problem);
        }
    }
    if file.examples == Some(0) {
        return refuse("examples", "is 0".to_owned());
    }
    if let Some(task) = tasks.iter().find(|task| task.head.is_none() && !task.trains_new_head()) {
        let problem = format!("needs a head of every task, and `{}` has none", task.name);
        return Err(SweepError::invalid(path, problem));
    }
    let settings = TuneSettings {
        objective: file.objective,
        per: file.per,
        basis: file.basis,
        start: file.start.unwrap_or(START),
        rate: file.rate.unwrap_or(RATE),
        steps: file.steps.unwrap_or(STEPS),
        batch: file.batch.unwrap_or(BATCH),
        seed: file.seed,
        guard: file.guard.or_else(|| (file.objective == TuneObjective::Entropy).then_some(GUARD)),
    };
    if let Err(error) = settings.check() {
        return refuse(error.key, format!("is {}, expected {}", error.found, error.expected));
    }
    Ok(LearnedMerge { name, split: file.split, examples: file.examples, settings })
}

fn word(objective: TuneObjective) -> &'static str {
    match objective {
        TuneObjective::Entropy => "entropy",
        TuneObjective::Agreement => "agreement",
        TuneObjective::Labels => "labels",
    }
}
