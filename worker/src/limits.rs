use std::time::Duration;

/// Limits of a worker and of the jobs that it takes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Attempts at a job before its failure is permanent.
    pub attempts: u32,
    /// The back-off before the second attempt. It doubles with each further attempt.
    pub back_off: Duration,
    /// The longest time that one job may compute; `None` is no limit. Fetching and reading its inputs does not count.
    pub wall_clock: Option<Duration>,
    /// The longest time in which the inputs of one job must be fetched and read; `None` is no limit.
    pub loading: Option<Duration>,
    /// How long a leg of a training may compute before it rests: it keeps its state and goes back to the queue, and whichever worker takes
    /// it next goes on from there. `None`: a leg is computed in one go.
    pub rest: Option<Duration>,
    /// How long a cancelled computation may take to stop, before the worker ends without it.
    pub stopping: Duration,
    /// Lost deliveries of one job before the job is dead-lettered.
    pub losses: u32,
    /// How long a failure of a machine stays open for machines that may still start, if no other machine is alive.
    pub machine_wait: Duration,
    /// Different jobs in a row that fail by this worker's own fault (a path that it may not read, a missing input)
    /// before the worker ends. Such a failure is not permanent while another machine may succeed. `None`: there is no
    /// other worker, and such a failure is permanent.
    pub own_faults: Option<u32>,
    /// How long the worker waits for a job before it ends; `None` is no limit.
    pub idle: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            attempts: 3,
            back_off: Duration::from_secs(1),
            wall_clock: None,
            loading: None,
            rest: None,
            machine_wait: Duration::from_secs(120),
            stopping: Duration::from_secs(30),
            losses: 5,
            own_faults: None,
            idle: None,
        }
    }
}
