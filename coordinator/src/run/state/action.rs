use crate::{Ended, PlannedJob};
use jobs::Outcome;

/// What the shell does next.
#[derive(Debug, PartialEq)]
pub(in crate::run) enum Action {
    /// Look these jobs up, and publish those without a result.
    Start(Vec<PlannedJob>),
    /// Look these jobs up, and publish those of which the store has nothing, although the plan has not asked for them: workers are
    /// idle.
    StartAhead(Vec<PlannedJob>),
    /// Read the sweep again, because results contradict each other.
    ReadAgain,
    /// Wait for the end of a job, or for a timer.
    Wait,
    /// Store the outcome.
    Finish(Box<Outcome>),
    /// End the run.
    End(Ended),
}

/// A job to publish, and what happens before.
#[derive(Debug, PartialEq)]
pub(in crate::run) struct Publication {
    pub(in crate::run) job: PlannedJob,
    pub(in crate::run) preparation: Preparation,
}

/// What happens before a job is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::run) enum Preparation {
    Nothing,
    /// The records of its failures are removed.
    ClearFailures,
    /// Its corrupt result is set aside, or its corrupt artefact is removed.
    RemoveCorrupt,
}
