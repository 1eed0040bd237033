use crate::JobError;
use jobs::{Job, known_version};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};

/// The pause before a machine takes jobs again after its first fault; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// What shows that a machine can do a job, without doing it. It blocks.
pub trait Proof: fmt::Debug + Send + Sync + 'static {
    /// Looks whether the inputs of `job` can be read here, and whether the model fits into memory.
    ///
    /// # Errors
    /// What keeps the job from being done here.
    fn prove(&self, job: &Job) -> Result<(), JobError>;
}

/// The machine of a worker, by the name that it has across restarts, and what it proves itself by.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) name: String,
    /// The pool whose jobs come here, where workers are in pools.
    pub(crate) pool: Option<String>,
    pub(crate) proof: Arc<dyn Proof>,
}

impl Machine {
    /// The machine called `name`: of the host, and of the worker where it was given one. Processes come and go on it.
    pub fn new(name: impl Into<String>, proof: Arc<dyn Proof>) -> Self {
        Self { name: name.into(), pool: None, proof }
    }

    /// The same, in a pool: machines of others get none of its jobs.
    #[must_use]
    pub fn in_pool(self, pool: impl Into<String>) -> Self {
        Self { pool: Some(pool.into()), ..self }
    }
}

/// What the store keeps of a machine whose workers ended by faults of their own, until one of them succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Faults {
    #[serde(deserialize_with = "known_version::<_, 1, { Faults::VERSION }>")]
    version: u32,
    /// How many workers ended so since the last success.
    pub(crate) count: u32,
    /// When the last of them did: milliseconds since 1970, UTC, by the machine's own clock.
    last_ms: u64,
    /// Why.
    pub(crate) error: String,
    /// A job that failed here: whoever comes next shows by it that it would not fail again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<Job>,
}

impl Faults {
    /// The version of the document that is written now.
    const VERSION: u32 = 2;

    /// One fault more than `earlier`.
    pub(crate) fn after(earlier: Option<Self>, error: String, job: Option<Job>, now_ms: u64) -> Self {
        let (count, before) = earlier.map_or((0, None), |earlier| (earlier.count, earlier.job));
        let job = job.or(before);
        Self { version: Self::VERSION, count: count.saturating_add(1), last_ms: now_ms, error, job }
    }

    /// How long the machine still waits before it takes jobs. A clock that was set back makes no pause longer than it is.
    pub(crate) fn pause(&self, now_ms: u64) -> Duration {
        let doublings = self.count.saturating_sub(1).min(16);
        let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        whole.saturating_sub(Duration::from_millis(now_ms.saturating_sub(self.last_ms)))
    }
}

/// The note of a machine that begins with a job that was lost before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    #[serde(deserialize_with = "known_version::<_, 1, { Trial::VERSION }>")]
    version: u32,
    /// When it began first: milliseconds since 1970, UTC, by its own clock.
    pub(crate) first_ms: u64,
    /// When it began last.
    pub(crate) last_ms: u64,
}

impl Trial {
    /// The version of the document that is written now.
    const VERSION: u32 = 2;

    /// The machine begins once more, after `earlier`.
    pub(crate) fn begins(earlier: Option<Self>, now_ms: u64) -> Self {
        let first_ms = earlier.map_or(now_ms, |earlier| earlier.first_ms);
        Self { version: Self::VERSION, first_ms, last_ms: now_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_waits_longer_after_every_fault_up_to_ten_minutes() {
        let mut faults = None;
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let next = Faults::after(faults, "no such folder".to_owned(), None, 1_000_000);
            pauses.push(next.pause(1_000_000).as_secs());
            faults = Some(next);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[test]
    fn what_has_passed_of_a_pause_is_not_waited_again() {
        let faults = Faults::after(None, String::new(), None, 10_000);
        assert_eq!(faults.pause(11_500), Duration::from_millis(500));
        assert_eq!(faults.pause(90_000), Duration::ZERO);
        assert_eq!(faults.pause(5_000), Duration::from_secs(2), "the clock was set back");
    }
}
