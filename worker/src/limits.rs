use std::time::Duration;

/// What a worker puts up with.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Attempts at a job before its failure is final.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles with every further one.
    pub back_off: Duration,
    /// The longest that one job may compute; `None` for ever. What it takes to fetch and read its inputs does not count.
    pub wall_clock: Option<Duration>,
    /// The longest that the inputs of one job may take to be fetched and read; `None` for ever.
    pub loading: Option<Duration>,
    /// How long a job that was told to stop may take to do so, before the worker ends without it.
    pub stopping: Duration,
    /// Workers that may be lost over a job before it is set aside.
    pub losses: u32,
    /// How long a failure that lies with a machine stays open for other machines that may come, though no other is there.
    pub patience: Duration,
    /// Jobs in a row that fail by this worker's own fault (a path that it may not read, an input that is not there) before it
    /// ends; a job counts once, however often it comes. Such a failure is not final while another machine may do better.
    /// `None` where there is no other worker, and such a failure is final.
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
            loading: None,
            patience: Duration::from_secs(120),
            stopping: Duration::from_secs(30),
            losses: 5,
            own_faults: None,
            idle: None,
        }
    }
}
