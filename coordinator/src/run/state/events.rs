//! The events and results that a state collects for the shell.

use super::RunState;
use crate::{Event, resume::EarlierFailure};
use jobs::JobResult;

impl RunState {
    /// Emits the events with which a run begins.
    pub(in crate::run) fn begin(&mut self) {
        let bound = self.plan.bound();
        let stored = self.progress.counts.reused;
        self.emit(Event::Plan { bound, stored });
        self.report_weak_adapters();
        let failures = std::mem::take(&mut self.earlier_failures);
        self.report(failures.into_iter());
    }

    pub(super) fn report(&mut self, failures: impl Iterator<Item = EarlierFailure>) {
        for EarlierFailure { job, label, errors } in failures {
            self.emit(Event::Failed { job, label, errors, is_reused: true });
        }
    }

    pub(super) fn report_weak_adapters(&mut self) {
        for adapter in self.plan.newly_weak() {
            self.emit(Event::WeakAdapter(adapter));
        }
    }

    pub(in crate::run) fn emit(&mut self, event: Event) {
        self.progress.note(&event);
        self.events.push(event);
    }

    /// The events since the last call.
    pub(in crate::run) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The results since the last call, for compaction.
    pub(in crate::run) fn take_results(&mut self) -> Vec<JobResult> {
        std::mem::take(&mut self.new_results)
    }
}
