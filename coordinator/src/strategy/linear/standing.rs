use crate::strategy::{
    point::{Candidate, PointResult, PointResults},
    ranking::{Ranking, Ties},
};

/// A point that is or was the best of a scan.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) candidate: Candidate,
    /// A value, or [`PointResult::Leader`].
    pub(super) result: PointResult,
    /// Its place among the points in the order in which they were read.
    pub(super) position: usize,
}

/// What is known of the value of a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Worth {
    Value(f64),
    /// Its evaluation failed, although a part of it had not: it is worse than every value.
    Failed,
    /// No value yet, or none that a machine could determine.
    Unknown,
}

impl Standing {
    /// Whether a search may choose the point.
    pub(super) fn can_be_best(&self) -> bool {
        match self.result {
            PointResult::Value(_) | PointResult::Leader => true,
            PointResult::Failed | PointResult::Missing | PointResult::Eliminated => false,
        }
    }

    pub(super) fn worth(&self, known: &impl PointResults) -> Worth {
        let result = match self.result {
            PointResult::Leader => known.whole(&self.candidate.id),
            result => Some(result),
        };
        match result {
            Some(PointResult::Value(value)) => Worth::Value(value),
            Some(PointResult::Failed) => Worth::Failed,
            None | Some(PointResult::Missing | PointResult::Eliminated | PointResult::Leader) => Worth::Unknown,
        }
    }

    pub(super) fn value(&self, known: &impl PointResults) -> Option<f64> {
        match self.worth(known) {
            Worth::Value(value) => Some(value),
            Worth::Failed | Worth::Unknown => None,
        }
    }

    /// Whether the point replaces `old` as the best, or the point whose value has to be known first.
    ///
    /// A leader stands above every point that was read before, whatever is known of the values, also where the race was indifferent to a
    /// small difference: so the same evidence leads the same
    /// way, also after a resume that knows more values.
    pub(super) fn replaces(
        &self,
        old: &Self,
        ranking: &Ranking,
        known: &impl PointResults,
    ) -> Result<bool, Box<Candidate>> {
        // A scan that passes over the best point again needs no value to know that the two are equal.
        if self.candidate.id == old.candidate.id {
            return Ok(ranking.ties == Ties::Last);
        }
        if self.result == PointResult::Leader && self.position > old.position {
            return Ok(true);
        }
        if old.result == PointResult::Leader && old.position > self.position {
            return Ok(false);
        }
        match (self.worth(known), old.worth(known)) {
            (Worth::Unknown, _) => Err(Box::new(self.candidate.clone())),
            (_, Worth::Unknown) => Err(Box::new(old.candidate.clone())),
            (Worth::Failed, _) => Ok(false),
            (_, Worth::Failed) => Ok(true),
            (Worth::Value(new), Worth::Value(old)) => Ok(ranking.replaces(new, old)),
        }
    }
}
