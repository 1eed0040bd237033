use super::{Races, racer::Verdict};
use crate::{
    plan::best::BestRead,
    strategy::{PointResult, PointResults},
};
use jobs::{JobId, Recipe};

/// The results of a search's points as its races leave them; without races, as they are.
pub(in crate::plan) struct RacedResults<'a> {
    pub(in crate::plan) results: &'a BestRead<'a>,
    pub(in crate::plan) races: Option<&'a Races>,
}

impl PointResults for RacedResults<'_> {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.results.id(recipe)
    }

    /// What the evidence decides, also where a value on all examples is known: whether one is known depends on what else was
    /// evaluated, and on when.
    fn of(&self, id: &JobId) -> Option<PointResult> {
        let Some(races) = self.races else { return self.results.of(id) };
        match races.verdict(id)? {
            Verdict::Eliminated => Some(PointResult::Eliminated),
            Verdict::Leader => Some(PointResult::Leader),
            Verdict::Whole => self.results.of(id),
        }
    }

    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        self.results.goals(id)
    }

    fn is_raced(&self) -> bool {
        self.races.is_some()
    }

    fn raced_gain(&self, id: &JobId) -> Option<f64> {
        self.races?.gain(id)
    }

    fn whole(&self, id: &JobId) -> Option<PointResult> {
        self.results.of(id)
    }
}
