/// The queue from which a worker takes jobs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobSource {
    /// The queue of the pool, for jobs of sweeps that have no queue of their own.
    Pool,
    /// The queue of the sweep of this name.
    Sweep(String),
}

/// The state of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// Consumers of the queue. A worker has one, and a second one while it looks ahead.
    pub consumers: u64,
}
