mod baselines;
mod command;
mod data;
mod evaluation;
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
    Sweep, SweepError,
    file::{MethodFile, SweepFile},
    training::check_training,
};
use crate::{HubKind, InputRef};
use baselines::check_baselines;
use evaluation::{check_evaluation, check_fits, check_metric};
use goals::{check_goals, require_searches};
use learned::check_learned;
use method::check_method;
use racing::check_racing;
use reference::PublishedKeys;
use rows::check_rows;
use searches::{SearchFiles, SearchedSweep, check_searches};
use std::path::Path;
use subsets::check_subsets;

impl SweepFile {
    pub(super) fn check(mut self, folder: &Path) -> Result<Sweep, SweepError> {
        check_name("name", &self.name)?;
        let published = PublishedKeys::take(&mut self.searches, &mut self.baselines)?;
        // A run does not train, but what is wrong with the keys is said all the same.
        check_training(self.training)?;
        let evaluator = if self.evaluation.command.is_some() { Evaluator::Command } else { Evaluator::Bowline };
        let tasks = check_tasks(self.tasks, evaluator, folder)?;
        let tasks = tasks.into_iter().enumerate().map(|(i, task)| task.adapted(i)).collect::<Result<Vec<_>, _>>()?;
        let evaluation = check_evaluation(self.evaluation, &tasks, folder)?;
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
        let searches = check_searches(searches, SearchedSweep { method, evaluation: &evaluation, tasks: &tasks })?;
        let (baselines, ensembles) = check_baselines(self.baselines, &tasks, &evaluation.benchmark)?;
        let learned = check_learned(self.learned, &evaluation, &tasks)?;
        let subsets = self.subsets.map(|file| check_subsets(file, &evaluation, &tasks)).transpose()?;
        require_searches(&goals, &searches)?;
        let racing = self.racing.map(|file| check_racing(file, method, &objective.metric, &searches)).transpose()?;
        let base = reference("base", &self.base, folder, HubKind::Model)?;
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
