mod baselines;
mod command;
mod data;
mod evaluation;
mod findings;
mod goals;
mod head;
mod learned;
mod method;
mod pairs;
mod portfolio;
mod racing;
mod recipe;
mod reference;
mod replicates;
mod rows;
mod searches;
mod subsets;
mod task;
mod texts;
mod variants;

pub(super) use task::{CheckedAdapter, Evaluator, check_tasks};

use super::{
    Evaluation, Sweep, SweepError, Task,
    file::{MethodFile, SweepFile},
    training::check_training,
};
use crate::{HubKind, InputRef};
use baselines::check_baselines;
use evaluation::{check_evaluation, check_fits, check_metric};
use findings::Findings;
use goals::{check_goals, require_searches};
use learned::check_learned;
use method::check_method;
use racing::check_racing;
use recipe::recipe_errors;
use reference::PublishedKeys;
use rows::check_rows;
use searches::{SearchFiles, SearchedSweep, check_searches};
use std::path::Path;
use subsets::check_subsets;

impl SweepFile {
    /// Checks the file. What does not depend on what is wrong already is checked as well, so that a person sees it at once.
    pub(super) fn check(mut self, folder: &Path) -> Result<Sweep, SweepError> {
        let mut found = Findings::default();
        found.take(check_name("name", &self.name));
        let base = found.take(reference("base", &self.base, folder, HubKind::Model));
        let published = found.take(PublishedKeys::take(&mut self.searches, &mut self.baselines));
        let training = found.take(check_training(self.training.take()));
        let evaluator = if self.evaluation.command.is_some() { Evaluator::Command } else { Evaluator::Bowline };
        let tasks = found.take(check_tasks(std::mem::take(&mut self.tasks), evaluator, folder)).unwrap_or_default();
        // Tasks are not held against a wrong `training`: they would lack what it says, such as `steps`.
        let tasks: Vec<Task> = training.map_or_else(Vec::new, |shared| {
            tasks.into_iter().enumerate().filter_map(|(i, task)| found.take(task.adapted(i, &shared))).collect()
        });
        found.extend(recipe_errors(&self));
        found.end()?;
        let base = base.expect("nothing is wrong with it");
        let published = published.expect("nothing is wrong with them");
        self.check_with(Parts { base, published, tasks }, folder)
    }

    /// Checks what depends on the tasks.
    fn check_with(mut self, parts: Parts, folder: &Path) -> Result<Sweep, SweepError> {
        let Parts { base, published, tasks } = parts;
        let evaluation = check_evaluation(self.evaluation, &tasks, folder)?;
        refuse_same_splits(&tasks, &evaluation)?;
        let is_bare = self.searches.is_empty()
            && self.recipe.is_none()
            && self.parameters.is_none()
            && self.baselines.is_empty()
            && self.learned.is_empty();
        // A file that names no recipe at all asks for the best merge there is.
        let usual = if is_bare { MethodFile::Portfolio } else { MethodFile::Linear };
        let method = check_method(self.method.unwrap_or(usual), self.trials, self.seed)?;
        let goals =
            self.goals.map(|goals| check_goals(&goals, &mut self.metric, method)).transpose()?.unwrap_or_default();
        let objective = check_metric(self.metric, &evaluation.benchmark, &tasks)?;
        for (place, goal) in goals.iter().enumerate() {
            check_fits(&format!("goals.{place}"), goal, &evaluation.benchmark, &tasks)?;
        }
        let searches = SearchFiles {
            recipe: self.recipe,
            parameters: self.parameters,
            replicates: self.replicates,
            searches: self.searches,
        };
        let mut found = Findings::default();
        let searched = SearchedSweep { method, evaluation: &evaluation, tasks: &tasks };
        let searches = found.take(check_searches(searches, searched)).unwrap_or_default();
        let baselines = found.take(check_baselines(self.baselines, &tasks, &evaluation.benchmark));
        let (baselines, ensembles) = baselines.unwrap_or_default();
        let learned = found.take(check_learned(self.learned, &evaluation, &tasks)).unwrap_or_default();
        let subsets = found.take(self.subsets.map(|file| check_subsets(file, &evaluation, &tasks)).transpose());
        found.end()?;
        let subsets = subsets.flatten();
        require_searches(&goals, &searches)?;
        let racing = self.racing.map(|file| check_racing(file, method, &objective.metric, &searches)).transpose()?;
        let sweep = Sweep {
            name: self.name,
            base,
            tasks,
            evaluation,
            method,
            objective,
            goals,
            searches,
            baselines,
            learned,
            reference: None,
            ensembles,
            racing,
            subsets,
            variant: None,
        };
        check_rows(&sweep)?;
        let reference = published.check(self.reference, &sweep)?;
        Ok(Sweep { reference, ..sweep })
    }
}

/// What was checked before the rest.
struct Parts {
    base: InputRef,
    published: PublishedKeys,
    tasks: Vec<Task>,
}

/// A task is not trained on a split that it is evaluated on, unless its examples may overlap.
fn refuse_same_splits(tasks: &[Task], evaluation: &Evaluation) -> Result<(), SweepError> {
    for task in tasks {
        let Some(training) = task.adapter.training() else { continue };
        let split = training.keys().split();
        if !training.keys().allows_overlap() && [&evaluation.select, &evaluation.report].iter().any(|own| *own == split)
        {
            let problem = format!("is `{split}`, which is evaluated as well; train on another split");
            return Err(training.keys().invalid("split", problem));
        }
    }
    Ok(())
}

/// Whether `name` can be the name of a sweep, a task or a split.
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // A dot would hide a file, and a dash make an option of a name.
    !name.is_empty() && !name.starts_with(['.', '-']) && name.len() <= 100 && name.chars().all(is_plain)
}

pub(super) fn check_name(path: &str, name: &str) -> Result<(), SweepError> {
    if !is_name(name) {
        let problem = format!(
            "is `{name}`; use letters, digits, `-`, `_` and `.`, at most 100 of them, and neither `-` nor `.` first"
        );
        return Err(SweepError::invalid(path, problem));
    }
    Ok(())
}

pub(super) fn reference(path: &str, text: &str, folder: &Path, kind: HubKind) -> Result<InputRef, SweepError> {
    InputRef::parse(text, folder, kind).map_err(|source| SweepError::Input { path: path.to_owned(), source })
}
