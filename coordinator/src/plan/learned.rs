//! Merges whose coefficients are learned: a job learns them, and the merge is then one like any other.

use super::{known::Known, pending::PendingJob, results::JobStatus};
use jobs::{CoefficientBasis, JobId, JobSpec, LearnedMerge, LearnedWeights, Recipe, RecipeSpec, TuneSpec};
use std::collections::VecDeque;

impl Known {
    /// The jobs that learn coefficients.
    pub(super) fn tune_jobs(&self) -> VecDeque<PendingJob> {
        let learned = self.frozen.sweep().learned.iter();
        let job = |learned: &LearnedMerge| {
            let spec = self.tune_spec(learned)?;
            let adapters = self.trained(spec.adapters.iter().map(|adapter| adapter.task.as_str()));
            Some(PendingJob::tune(&learned.name, spec).after(adapters))
        };
        learned.filter_map(job).collect()
    }

    /// The evaluations of the learned merges on `split`, of those whose coefficients are known.
    pub(super) fn learned_jobs(&self, split: &str, on: &str) -> VecDeque<PendingJob> {
        let learned = self.frozen.sweep().learned.iter();
        let job = |learned: &LearnedMerge| {
            Some(PendingJob::merge(&format!("{}{on}", learned.name), &self.learned_recipe(learned)?, split))
        };
        learned.filter_map(job).collect()
    }

    /// The evaluations of the learned merges on what they were tuned on: how much too good they look there.
    pub(super) fn tuned_jobs(&self) -> VecDeque<PendingJob> {
        let learned = self.frozen.sweep().learned.iter();
        let job = |learned: &LearnedMerge| {
            let label = format!("{} on {}", learned.name, learned.split);
            Some(PendingJob::merge(&label, &self.learned_recipe(learned)?, &learned.split))
        };
        learned.filter_map(job).collect()
    }

    /// Whether every job that learns coefficients has ended.
    pub(super) fn has_learned(&self) -> bool {
        let mut jobs = self.frozen.sweep().learned.iter().filter_map(|learned| self.tune_job(learned));
        jobs.all(|job| self.status(&job).is_some())
    }

    /// The recipe of a learned merge, once its coefficients are known; none if the job that learns them failed.
    pub(super) fn learned_recipe(&self, learned: &LearnedMerge) -> Option<Recipe> {
        let job = self.tune_job(learned)?;
        self.status(&job).filter(|status| matches!(status, JobStatus::Done(_)))?;
        recipe(self.coefficients(&job)?, learned.settings.basis)
    }

    /// The learned merges that no machine could learn or evaluate.
    pub(super) fn missing_learned(&self) -> u64 {
        let job = |learned| match self.learned_recipe(learned) {
            Some(recipe) => Some(self.merge_id(&recipe, &self.select)),
            None => self.tune_job(learned),
        };
        self.missing(self.frozen.sweep().learned.iter().filter_map(job))
    }

    fn tune_job(&self, learned: &LearnedMerge) -> Option<JobId> {
        self.tune_spec(learned).map(|spec| JobSpec::from(spec).id())
    }

    fn tune_spec(&self, learned: &LearnedMerge) -> Option<TuneSpec> {
        self.frozen.tune_spec(&learned.split, learned.examples, &learned.settings)
    }
}

/// Task arithmetic with these coefficients; none if a recipe cannot hold one of them.
fn recipe(learned: &LearnedWeights, basis: CoefficientBasis) -> Option<Recipe> {
    let LearnedWeights { weights, layer_weights } = learned.clone();
    let spec = RecipeSpec {
        preset: Some("task_arithmetic".to_owned()),
        space: Some(basis.space().name().to_owned()),
        scaling: Some(1.0),
        weights,
        layer_weights,
        ..RecipeSpec::default()
    };
    spec.resolve().ok()
}
