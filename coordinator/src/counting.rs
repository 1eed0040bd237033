//! Counts the jobs of a run from its events: all listeners of a run count in this way.

use crate::{Counts, Event};
use jobs::JobKind;

impl Counts {
    /// Counts what an event says of a job.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Plan { stored, .. } => *self = Self { reused: *stored, ..Self::default() },
            Event::Written { kind: JobKind::Write, .. } => {}
            Event::Finished { is_reused: true, .. } | Event::Written { is_reused: true, .. } => self.reused += 1,
            Event::Finished { is_reused: false, .. } | Event::Written { is_reused: false, .. } => self.run += 1,
            Event::Failed { .. } => self.failed += 1,
            Event::Revision(_)
            | Event::Phase(_)
            | Event::Published { .. }
            | Event::NotWritten { .. }
            | Event::WeakAdapter(_)
            | Event::Best { .. } => {}
        }
    }

    /// All jobs that were counted.
    pub fn total(&self) -> u64 {
        self.run + self.reused + self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{Digest, JobId, Timings};

    #[test]
    fn jobs_that_were_stored_before_count_as_reused() {
        let finished = |is_reused| Event::Finished {
            job: JobId::from(Digest::of(b"job")),
            label: "ties".to_owned(),
            value: None,
            timings: Timings::default(),
            is_reused,
        };
        let mut counts = Counts::default();
        for event in [Event::Plan { bound: 9, stored: 5 }, finished(true), finished(false), finished(false)] {
            counts.note(&event);
        }
        assert_eq!(counts, Counts { run: 2, reused: 6, failed: 0 });
        assert_eq!(counts.total(), 8);
    }

    #[test]
    fn statistics_are_counted_and_the_winner_is_not() {
        let written = |kind, is_reused| Event::Written {
            job: JobId::from(Digest::of(b"job")),
            kind,
            label: "Gram matrices".to_owned(),
            size: 1,
            facts: std::collections::BTreeMap::new(),
            is_reused,
        };
        let mut counts = Counts::default();
        for kind in [JobKind::Statistics, JobKind::Write] {
            counts.note(&written(kind, false));
            counts.note(&written(kind, true));
        }
        assert_eq!(counts, Counts { run: 1, reused: 1, failed: 0 });
    }
}
