use std::time::Duration;

/// What a worker puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Attempts at a job before its failure is final.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with every further one.
    pub back_off: Duration,
    /// The longest that one job may compute; `None` for ever.
    pub wall_clock: Option<Duration>,
    /// How long a job that was told to stop may take to do so, before the worker ends without it.
    pub stopping: Duration,
    /// Workers that may be lost over a job before it is set aside.
    pub losses: u32,
    /// Failures in a row that are this worker's own fault (a path that it may not read, an input that is not there)
    /// before it ends. Such a failure is never final as long as there are attempts: another worker may do better. `None`
    /// where there is no other worker, and such a failure is final.
    pub own_faults: Option<u32>,
    /// How long the worker waits for a job before it ends; `None` for ever.
    pub idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            back_off: Duration::from_secs(1),
            wall_clock: None,
            stopping: Duration::from_secs(30),
            losses: 5,
            own_faults: None,
            idle: None,
        }
    }
}
