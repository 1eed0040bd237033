//! Points that a linear search may ask for next.

use super::Linear;
use crate::strategy::{
    error::resolve,
    point::{Candidate, PointResults},
};
use jobs::RecipeSpec;

impl Linear {
    /// The at most `limit` points behind the requested one in the current scan: what the search asks for next, one by one, as long as no
    /// point is worse than the best of the scan.
    pub(in crate::strategy) fn ahead(&self, known: &impl PointResults, limit: usize) -> Vec<Candidate> {
        if self.is_stuck || self.is_scan_over {
            return Vec::new();
        }
        self.unread(&self.spec, self.parameter, self.value + 1, known).take(limit).collect()
    }

    /// The points of the scans that have begun which the search did not read. Each may have been evaluated ahead.
    pub(in crate::strategy) fn passed_over(&self, known: &impl PointResults) -> Vec<Candidate> {
        let begun = self.scanned.iter().chain(std::iter::once(&self.spec)).enumerate();
        begun.flat_map(|(parameter, spec)| self.unread(spec, parameter, 0, known)).collect()
    }

    /// The points that give a parameter of `spec` its values from place `from` on, without those that were read. Values that describe
    /// no merge there are left out: the search reports them if it comes to them.
    fn unread<'a>(
        &'a self,
        spec: &'a RecipeSpec,
        parameter: usize,
        from: usize,
        known: &'a impl PointResults,
    ) -> impl Iterator<Item = Candidate> + 'a {
        let scanned = self.parameters.get(parameter);
        let values = scanned.into_iter().flat_map(|scanned| scanned.values.iter().map(|value| (&scanned.key, value)));
        let points = values.skip(from).filter_map(move |(key, value)| {
            let mut spec = spec.clone();
            spec.set(key, value).ok()?;
            let recipe = resolve(&self.search, &spec).ok()?;
            let id = known.id(&recipe);
            Some(Candidate { spec, recipe, id })
        });
        points.filter(|point| !self.visited.contains_key(&point.id))
    }
}
