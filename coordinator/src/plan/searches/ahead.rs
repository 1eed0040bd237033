//! Jobs of linear searches, and of brackets that race, that may be needed next.

use super::{ActiveSearch, Searches, point_label};
use crate::{
    plan::{
        job::{Phase, PlannedJob},
        known::Known,
        replicates::{Groups, replicates},
    },
    strategy::Candidate,
};
use jobs::{JobId, Meaning, RecipeSpec, Subject};
use std::collections::VecDeque;

impl Searches {
    /// The jobs that the searches may need next, of each those of at most `limit` points. The next point of each search comes before the second next of any.
    pub(in crate::plan) fn ahead(&self, known: &Known, limit: usize) -> Vec<PlannedJob> {
        if self.ends_early {
            return Vec::new();
        }
        let mut of_searches: Vec<VecDeque<PlannedJob>> =
            self.all.iter().map(|search| search.ahead(known, limit)).collect();
        let mut jobs = Vec::new();
        while of_searches.iter().any(|of_search| !of_search.is_empty()) {
            jobs.extend(of_searches.iter_mut().filter_map(VecDeque::pop_front));
        }
        jobs
    }

    /// The evaluations of the points that searches may have been ahead with and have not read.
    pub(in crate::plan) fn passed_over(&self, known: &Known) -> Vec<JobId> {
        self.all.iter().flat_map(|search| search.passed_over(known)).collect()
    }
}

impl ActiveSearch {
    fn ahead(&self, known: &Known, limit: usize) -> VecDeque<PlannedJob> {
        if self.choice.is_some() {
            return VecDeque::new();
        }
        let candidates = self.state.ahead(&self.results(known, Groups::new()), limit);
        let planned = |meaning: Meaning, spec: &RecipeSpec| self.planned_ahead(meaning, spec, known);
        let Some(races) = &self.races else {
            let of_candidate = |candidate: &Candidate| -> Vec<PlannedJob> {
                let all = self.evaluations(candidate, known).into_iter();
                all.filter_map(|meaning| planned(meaning, &candidate.spec)).collect()
            };
            return candidates.iter().flat_map(of_candidate).collect();
        };
        let wanted = races.ahead(&candidates, self.state.scan(), known).into_iter();
        let of_wanted = wanted.filter_map(|job| {
            let next = candidates.iter().find(|candidate| candidate.id == job.candidate);
            let candidate = races.candidate(&job.candidate).or(next)?;
            let mut job = planned(job.meaning, &candidate.spec)?;
            job.job.places.slices = known.slices(&candidate.id).to_vec();
            Some(job)
        });
        of_wanted.collect()
    }

    fn passed_over(&self, known: &Known) -> Vec<JobId> {
        let candidates = self.state.passed_over(&self.results(known, Groups::new()));
        candidates.iter().flat_map(|candidate| self.evaluations(candidate, known)).map(|meaning| meaning.id()).collect()
    }

    /// The evaluations of a point on all examples: one, or one for each seed.
    fn evaluations(&self, candidate: &Candidate, known: &Known) -> Vec<Meaning> {
        let seeds = replicates(&candidate.recipe, self.search.replicates.as_ref()).into_iter();
        let meaning = |recipe| known.frozen.meaning(Subject::Merge { recipe: Box::new(recipe) }, &known.select);
        seeds.map(|seed| meaning(seed.recipe)).collect()
    }

    /// An evaluation that may be needed; `None` if its result is known, or if what it merges by cannot be made.
    fn planned_ahead(&self, meaning: Meaning, spec: &RecipeSpec, known: &Known) -> Option<PlannedJob> {
        let id = meaning.id();
        if known.status(&id).is_some() || known.without_statistics(&meaning).is_some() {
            return None;
        }
        let label = format!("{}, ahead of the search", point_label(&self.search, spec));
        Some(PlannedJob { id, job: known.frozen.job(meaning), phase: Phase::Search, label })
    }
}
