//! Recipes that are evaluated with several seeds.

use super::known::Known;
use crate::strategy::{PointResult, PointResults};
use jobs::{JobId, Objective, Recipe, Replicate, Replicates, Subject};
use std::{cell::RefCell, collections::HashMap};

/// The jobs of the points of a search with replicates, by the job of the first seed.
pub(super) type Groups = HashMap<JobId, Vec<JobId>>;

/// The recipe with each of its seeds; once if there are no replicates.
pub(super) fn replicates(recipe: &Recipe, replicates: Option<&Replicates>) -> Vec<Replicate> {
    match replicates {
        Some(replicates) => replicates.of(recipe),
        None => vec![Replicate { seed: None, recipe: recipe.clone() }],
    }
}

/// The recipe with the seed that is best on the selection split, the first among equals; with its own seed as long as no value
/// is known.
pub(super) fn best_replicate(recipe: &Recipe, of: Option<&Replicates>, known: &Known) -> Replicate {
    let objective: &Objective = &known.frozen.sweep().objective;
    let mut all = replicates(recipe, of).into_iter();
    let first = all.next().expect("a recipe has a seed at least, or is there once");
    let value = |replicate: &Replicate| known.value(&known.id(&replicate.recipe));
    let mut best_value = value(&first);
    let mut best = first;
    for replicate in all {
        if let Some(value) = value(&replicate)
            && best_value.is_none_or(|best| objective.compare(value, best).is_gt())
        {
            best_value = Some(value);
            best = replicate;
        }
    }
    best
}

/// The results of points, of which each is evaluated with several seeds if the search has replicates.
///
/// The value of a point is the mean over its seeds, once all are known. A point is missing if one of them is, and has failed if
/// one of them failed.
pub(super) struct ReplicatedResults<'a> {
    known: &'a Known,
    replicates: Option<Replicates>,
    /// A point is asked for by its job alone. The cell is there because reading takes `&self`.
    groups: RefCell<Groups>,
}

impl<'a> ReplicatedResults<'a> {
    pub(super) fn new(known: &'a Known, replicates: Option<Replicates>, groups: Groups) -> Self {
        Self { known, replicates, groups: RefCell::new(groups) }
    }

    pub(super) fn into_groups(self) -> Groups {
        self.groups.into_inner()
    }
}

impl PointResults for ReplicatedResults<'_> {
    fn id(&self, recipe: &Recipe) -> JobId {
        let Some(replicates) = &self.replicates else { return self.known.id(recipe) };
        let jobs: Vec<JobId> = replicates.of(recipe).iter().map(|one| self.known.id(&one.recipe)).collect();
        let first = jobs[0];
        self.groups.borrow_mut().insert(first, jobs);
        first
    }

    fn of(&self, id: &JobId) -> Option<PointResult> {
        match self.groups.borrow().get(id) {
            Some(jobs) => of_group(jobs, self.known),
            None => self.known.of(id),
        }
    }

    /// The means over the seeds.
    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        let groups = self.groups.borrow();
        let Some(jobs) = groups.get(id) else { return self.known.goals(id) };
        let all: Vec<Vec<f64>> = jobs.iter().map(|job| self.known.goals(job)).collect::<Option<_>>()?;
        let mean = |goal: usize| all.iter().map(|values| values[goal]).sum::<f64>() / all.len() as f64;
        Some((0..all.first()?.len()).map(mean).collect())
    }
}

/// The result of a point whose seeds have these jobs.
pub(super) fn of_group(jobs: &[JobId], known: &Known) -> Option<PointResult> {
    let results: Vec<PointResult> = jobs.iter().map(|job| known.of(job)).collect::<Option<_>>()?;
    if results.contains(&PointResult::Missing) {
        return Some(PointResult::Missing);
    }
    let value = |result: &PointResult| match result {
        PointResult::Value(value) => Some(*value),
        PointResult::Failed | PointResult::Missing | PointResult::Eliminated | PointResult::Leader => None,
    };
    let values: Option<Vec<f64>> = results.iter().map(value).collect();
    Some(
        values
            .map_or(PointResult::Failed, |values| PointResult::Value(values.iter().sum::<f64>() / values.len() as f64)),
    )
}

impl Known {
    /// The job of a merge of all adapters on a split.
    pub(super) fn merge_id(&self, recipe: &Recipe, split: &str) -> JobId {
        self.id_of(Subject::Merge { recipe: Box::new(recipe.clone()) }, split)
    }
}
