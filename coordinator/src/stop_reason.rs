use std::time::Duration;

/// Why a run stopped by itself before its sweep was over.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StopReason {
    /// The base model could not be evaluated.
    #[error("the base model itself failed on `{split}`, so that every merge would fail: {error}")]
    Base {
        /// The split.
        split: String,
        /// The error and its causes.
        error: String,
    },
    /// Jobs of one search, or jobs outside the searches, failed for the same reason, and none of them succeeded meanwhile.
    #[error("{jobs} jobs failed for the same reason, and none like them succeeded: {error}")]
    SameFailure {
        /// The number of jobs.
        jobs: u64,
        /// The error of the last one and its causes.
        error: String,
    },
    /// The run has used its time.
    #[error("the run has used its time limit of {} s", .0.as_secs())]
    Time(Duration),
    /// The jobs of the sweep have used their device time.
    #[error("the jobs of the sweep have used their limit of {:.2} h of device time", .0.as_secs_f64() / 3600.0)]
    DeviceTime(Duration),
}
