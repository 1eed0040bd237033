//! Which answers of raced points are needed, and by which searches.

use super::{ActiveSearch, Searches, value_at};
use crate::{
    plan::{
        known::Known,
        races::{Races, Settled},
    },
    strategy::PointResults,
};
use jobs::{JobId, Values};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// The settled points that other searches may still race, with the indices of these searches.
#[derive(Debug, Default)]
pub(super) struct SharedPoints {
    needed_by: HashMap<JobId, BTreeSet<usize>>,
    /// The searches that are over.
    ended: BTreeSet<usize>,
}

impl SharedPoints {
    /// A search needs a point no more. `others` says which searches may need it, and is asked the first time; whether none does.
    fn settle(&mut self, point: JobId, search: usize, others: impl FnOnce() -> BTreeSet<usize>) -> bool {
        let needed_by = self.needed_by.entry(point).or_insert_with(others);
        needed_by.remove(&search);
        let is_free = needed_by.is_empty();
        if is_free {
            self.needed_by.remove(&point);
        }
        is_free
    }

    /// A search is over, and needs nothing later. Returns the points that it was the last one to need.
    fn end(&mut self, search: usize) -> Vec<JobId> {
        if !self.ended.insert(search) {
            return Vec::new();
        }
        let is_last = |needed_by: &mut BTreeSet<usize>| needed_by.remove(&search) && needed_by.is_empty();
        self.needed_by.extract_if(|_, needed_by| is_last(needed_by)).map(|(point, _)| point).collect()
    }
}

impl Searches {
    /// Notes the races that are over, and forgets the answers of points that no search needs any more.
    ///
    /// Searches of other recipes never come to the same point. Those of the same recipe may: their answers are kept until the last of
    /// them has settled the point, or is over.
    pub(in crate::plan) fn settle(&mut self, known: &mut Known) {
        let mut shared = std::mem::take(&mut self.shared);
        for search in 0..self.all.len() {
            let settled = self.all[search].races.as_mut().map(Races::take_settled).unwrap_or_default();
            for settled in settled {
                known.note_settled(search, &settled);
                if settled.is_incumbent {
                    continue;
                }
                let others = || self.others(search, &settled, known);
                if shared.settle(settled.id, search, others) {
                    known.forget_answers(settled.id);
                }
            }
        }
        for (index, search) in self.all.iter().enumerate() {
            if !search.needs_answers() {
                shared.end(index).into_iter().for_each(|point| known.forget_answers(point));
            }
        }
        self.shared = shared;
    }

    /// The searches that may still need the answers of a point which another one has settled.
    fn others(&self, search: usize, settled: &Settled, known: &Known) -> BTreeSet<usize> {
        let others = self.all.iter().enumerate().filter(|(index, _)| *index != search);
        others.filter(|(_, other)| other.may_need(settled, known)).map(|(index, _)| index).collect()
    }
}

impl ActiveSearch {
    /// Whether answers may decide something. A resumed plan repeats the races of a search that follows leaders, and needs them again;
    /// how those of others ended is noted.
    fn needs_answers(&self) -> bool {
        self.choice.is_none() || self.state.race_form().follows_leaders
    }

    /// Whether it may need the answers of a point: whether the point's values are among those of its parameters, and lead it to the same
    /// recipe.
    fn may_need(&self, settled: &Settled, known: &Known) -> bool {
        if !self.needs_answers() {
            return false;
        }
        if self.races.as_ref().is_some_and(|races| races.holds(&settled.id)) {
            return true;
        }
        let mut spec = self.search.recipe.clone();
        for parameter in &self.search.parameters {
            // A value that the point does not show may be any.
            let Some(value) = value_at(&settled.spec, &parameter.key) else { return true };
            // A search that follows leaders begins at its recipe's own values, which need not be listed.
            if !self.state.race_form().follows_leaders && !takes(&parameter.values, &value) {
                return false;
            }
            if spec.set(&parameter.key, &value).is_err() {
                return true;
            }
        }
        spec.resolve().is_ok_and(|recipe| known.id(&recipe) == settled.id)
    }
}

/// Whether a parameter takes a value.
fn takes(values: &Values, value: &Value) -> bool {
    let number = value.as_f64();
    let is_equal = |listed: &Value| match (listed.as_f64(), number) {
        (Some(listed), Some(number)) => listed.total_cmp(&number).is_eq(),
        (Some(_), None) | (None, Some(_)) => false,
        (None, None) => listed == value,
    };
    match values {
        Values::List(values) => values.iter().any(is_equal),
        Values::Continuous { min, max, log: _ } => number.is_none_or(|number| (*min..=*max).contains(&number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::Digest;

    #[test]
    fn a_point_is_free_once_the_last_search_that_needs_it_has_settled_it_or_is_over() {
        let point: JobId = Digest::of(b"point").into();
        let mut shared = SharedPoints::default();
        assert!(shared.settle(point, 0, BTreeSet::new), "no other search");
        assert!(!shared.settle(point, 0, || BTreeSet::from([1, 2])));
        assert!(!shared.settle(point, 1, BTreeSet::new));
        assert_eq!(shared.end(0), []);
        assert_eq!(shared.end(2), [point]);
        assert_eq!(shared.end(2), [], "it has ended");
        assert!(shared.needed_by.is_empty());
    }
}
