use std::fmt;

/// A fault that can be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A worker is killed.
    KillsWorker,
    /// All workers are killed at once.
    KillsAllWorkers,
    /// A worker drains.
    DrainsWorker,
    /// A worker receives two shutdown signals, so that it ends at once.
    StopsWorkerAtOnce,
    /// The broker is stopped and started.
    RestartsBroker,
    /// The broker is killed and started.
    KillsBroker,
    /// All connections to the broker are cut.
    CutsConnections,
    /// All connections to the broker stall for a while.
    StallsConnections,
    /// The broker is unreachable for a while.
    DisconnectsBroker,
    /// The bucket answers with errors.
    BucketFails,
    /// The bucket answers conditional writes with conflicts.
    BucketConflicts,
    /// The bucket answers after its clients have timed out.
    BucketStalls,
    /// The bucket executes requests, and its responses are lost.
    BucketLosesResponses,
    /// The bucket answers with errors for longer than its clients retry by themselves.
    BucketIsDown,
    /// The coordinator is killed and started elsewhere.
    KillsCoordinator,
    /// A second coordinator of the same sweep is started.
    StartsSecondCoordinator,
    /// Jobs are published a second time.
    PublishesJobsTwice,
    /// Messages that hold no job are published to the queue.
    PublishesForeignMessages,
    /// The queue is purged.
    PurgesJobs,
    /// A stored result is changed to an impossible one.
    EditsResult,
    /// The file that jobs read is rewritten in place, with the same size.
    RewritesInput,
    /// The file that jobs read is truncated in place.
    TruncatesInput,
    /// The file that jobs read is replaced by another one.
    ReplacesInput,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 23] = [
        Self::KillsWorker,
        Self::KillsAllWorkers,
        Self::DrainsWorker,
        Self::StopsWorkerAtOnce,
        Self::RestartsBroker,
        Self::KillsBroker,
        Self::CutsConnections,
        Self::StallsConnections,
        Self::DisconnectsBroker,
        Self::BucketFails,
        Self::BucketConflicts,
        Self::BucketStalls,
        Self::BucketLosesResponses,
        Self::BucketIsDown,
        Self::KillsCoordinator,
        Self::StartsSecondCoordinator,
        Self::PublishesJobsTwice,
        Self::PublishesForeignMessages,
        Self::PurgesJobs,
        Self::EditsResult,
        Self::RewritesInput,
        Self::TruncatesInput,
        Self::ReplacesInput,
    ];

    /// Whether it ends the broker's process, which only a private broker may suffer.
    pub(super) fn needs_private_broker(self) -> bool {
        matches!(self, Self::RestartsBroker | Self::KillsBroker)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KillsWorker => "worker killed",
            Self::KillsAllWorkers => "all workers killed",
            Self::DrainsWorker => "worker drained",
            Self::StopsWorkerAtOnce => "worker ended at once",
            Self::RestartsBroker => "broker restarted",
            Self::KillsBroker => "broker killed",
            Self::CutsConnections => "connections cut",
            Self::StallsConnections => "connections stalled",
            Self::DisconnectsBroker => "broker out of reach",
            Self::BucketFails => "bucket answered 500 and 503",
            Self::BucketConflicts => "bucket answered 409",
            Self::BucketStalls => "bucket timed out",
            Self::BucketLosesResponses => "bucket's answers lost",
            Self::BucketIsDown => "bucket down",
            Self::KillsCoordinator => "coordinator killed",
            Self::StartsSecondCoordinator => "second coordinator",
            Self::PublishesJobsTwice => "jobs published twice",
            Self::PublishesForeignMessages => "foreign messages",
            Self::PurgesJobs => "queue purged",
            Self::EditsResult => "stored result edited",
            Self::RewritesInput => "input rewritten in place",
            Self::TruncatesInput => "input truncated in place",
            Self::ReplacesInput => "input replaced",
        })
    }
}
