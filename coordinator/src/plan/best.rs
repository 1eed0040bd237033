use super::{known::Known, replicates::ReplicatedResults};
use crate::strategy::{PointResult, PointResults};
use jobs::{JobId, Recipe};
use std::cell::Cell;

/// The known results, with the best value that searches have read.
///
/// A search may read a value that another phase has requested. No completion of a search point reports such a value, so
/// reading it is what makes it the best. The cell is there because reading takes `&self`.
pub(super) struct BestRead<'a> {
    known: &'a Known,
    results: ReplicatedResults<'a>,
    best: Cell<Option<f64>>,
}

impl<'a> BestRead<'a> {
    pub(super) fn new(known: &'a Known, results: ReplicatedResults<'a>, best: Option<f64>) -> Self {
        Self { known, results, best: Cell::new(best) }
    }

    pub(super) fn into_results(self) -> ReplicatedResults<'a> {
        self.results
    }

    pub(super) fn best(&self) -> Option<f64> {
        self.best.get()
    }
}

impl PointResults for BestRead<'_> {
    fn id(&self, recipe: &Recipe) -> JobId {
        self.results.id(recipe)
    }

    fn of(&self, id: &JobId) -> Option<PointResult> {
        let result = self.results.of(id)?;
        if let PointResult::Value(value) = result {
            let mut best = self.best.get();
            self.known.improve(&mut best, value);
            self.best.set(best);
        }
        Some(result)
    }

    fn goals(&self, id: &JobId) -> Option<Vec<f64>> {
        self.results.goals(id)
    }
}
