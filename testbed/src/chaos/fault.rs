use std::fmt;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A worker is killed.
    KillsWorker,
    /// All workers are killed at once.
    KillsCrew,
    /// A worker is asked to drain.
    DrainsWorker,
    /// A worker is asked to end at once.
    HurriesWorker,
    /// The broker is stopped and started.
    RestartsBroker,
    /// The broker is killed and started.
    CrashesBroker,
    /// All connections to the broker are cut.
    CutsConnections,
    /// All connections to the broker stand still for a while.
    StallsConnections,
    /// The broker is out of reach for a while.
    PartsFromBroker,
    /// The bucket answers with errors.
    BucketFails,
    /// The bucket answers conditional writes with conflicts.
    BucketConflicts,
    /// The bucket is too slow to be waited for.
    BucketStalls,
    /// The bucket does what it is asked, and its answers are lost.
    BucketForgetsAnswers,
    /// The bucket answers nothing but errors for longer than its clients try by themselves.
    BucketIsDown,
    /// The coordinator is killed and started elsewhere.
    KillsCoordinator,
    /// A second coordinator of the same sweep is started.
    DoublesCoordinator,
    /// Jobs are published a second time.
    DoublesJobs,
    /// Messages that hold no jobs are put among them.
    SmugglesMessages,
    /// The jobs that wait are thrown away.
    PurgesJobs,
    /// A stored result is changed by hand to something that it cannot be.
    EditsResult,
    /// The file that jobs read is rewritten in place, with the same size.
    RewritesInput,
    /// The file that jobs read is cut short in place.
    TruncatesInput,
    /// Another file takes the place of the one that jobs read.
    ReplacesInput,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::KillsWorker,
        Self::KillsCrew,
        Self::DrainsWorker,
        Self::HurriesWorker,
        Self::RestartsBroker,
        Self::CrashesBroker,
        Self::CutsConnections,
        Self::StallsConnections,
        Self::PartsFromBroker,
        Self::BucketFails,
        Self::BucketConflicts,
        Self::BucketStalls,
        Self::BucketForgetsAnswers,
        Self::BucketIsDown,
        Self::KillsCoordinator,
        Self::DoublesCoordinator,
        Self::DoublesJobs,
        Self::SmugglesMessages,
        Self::PurgesJobs,
        Self::EditsResult,
        Self::RewritesInput,
        Self::TruncatesInput,
        Self::ReplacesInput,
    ];

    /// Whether it is done to the broker's process, which only a private one may suffer.
    pub(super) fn needs_private_broker(self) -> bool {
        matches!(self, Self::RestartsBroker | Self::CrashesBroker)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillsWorker => "worker killed",
            Self::KillsCrew => "all workers killed",
            Self::DrainsWorker => "worker drained",
            Self::HurriesWorker => "worker ended at once",
            Self::RestartsBroker => "broker restarted",
            Self::CrashesBroker => "broker killed",
            Self::CutsConnections => "connections cut",
            Self::StallsConnections => "connections stalled",
            Self::PartsFromBroker => "broker out of reach",
            Self::BucketFails => "bucket answered 500 and 503",
            Self::BucketConflicts => "bucket answered 409",
            Self::BucketStalls => "bucket timed out",
            Self::BucketForgetsAnswers => "bucket's answers lost",
            Self::BucketIsDown => "bucket down",
            Self::KillsCoordinator => "coordinator killed",
            Self::DoublesCoordinator => "second coordinator",
            Self::DoublesJobs => "jobs published twice",
            Self::SmugglesMessages => "foreign messages",
            Self::PurgesJobs => "queue purged",
            Self::EditsResult => "stored result edited",
            Self::RewritesInput => "input rewritten in place",
            Self::TruncatesInput => "input truncated in place",
            Self::ReplacesInput => "input replaced",
        })
    }
}
