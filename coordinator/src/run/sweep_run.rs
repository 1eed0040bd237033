use super::{settings::Settings, state::RunState};
use crate::{CoordinatorError, Event, Frozen, Resume, clock::Now, compaction::Compaction, listing::StoreListing};
use queue::JobPublisher;
use store::Store;

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Services<'a> {
    pub(super) publisher: &'a dyn JobPublisher,
    pub(super) store: &'a Store,
    pub(super) settings: &'a Settings,
}

/// One run of a sweep: the state that decides, and what the shell needs to execute the decisions.
///
/// Async methods take `&mut self` even if they change nothing. `on_event` is not `Sync`, so a shared reference across
/// an
/// `await` would make the future of the run not `Send`.
pub(super) struct SweepRun<'a> {
    pub(super) services: Services<'a>,
    pub(super) frozen: Frozen,
    pub(super) state: RunState,
    pub(super) listing: StoreListing,
    pub(super) compaction: Compaction,
    /// How often the sweep was read again at its end.
    pub(super) readings: u32,
    on_event: &'a mut (dyn FnMut(Event) + Send),
}

impl<'a> SweepRun<'a> {
    pub(super) fn new(
        services: Services<'a>,
        frozen: Frozen,
        mut resume: Resume,
        on_event: &'a mut (dyn FnMut(Event) + Send),
    ) -> Result<Self, CoordinatorError> {
        let frozen = frozen.at_revision(resume.revision.number);
        let listing = std::mem::take(&mut resume.listing);
        let uncompacted = std::mem::take(&mut resume.uncompacted);
        let compaction = Compaction::new(services.store.clone(), frozen.sweep().name.clone(), uncompacted);
        let state = RunState::new(services.settings, &frozen, resume, Now::read())?;
        Ok(Self { services, frozen, state, listing, compaction, readings: 0, on_event })
    }

    /// The name of the sweep.
    pub(super) fn sweep(&self) -> &str {
        &self.frozen.sweep().name
    }

    /// Passes on what the state has collected: events to the caller, results to compaction.
    pub(super) fn flush(&mut self) {
        for event in self.state.take_events() {
            (self.on_event)(event);
        }
        for result in self.state.take_results() {
            self.compaction.add(result);
        }
    }
}
