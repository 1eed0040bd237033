use crate::JobError;
use jobs::{Job, known_version};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc, time::Duration};

/// The pause before a machine takes jobs again after its first fault; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Tests whether this machine can compute a job, without computing it. The call blocks.
pub trait SelfTest: fmt::Debug + Send + Sync + 'static {
    /// Checks that the inputs of `job` can be read here, and that the model fits into memory.
    ///
    /// # Errors
    /// The reason why the job cannot be computed here.
    fn run(&self, job: &Job) -> Result<(), JobError>;
}

/// The machine of a worker: a name that stays the same across restarts, and a self-test.
#[derive(Debug, Clone)]
pub struct Machine {
    pub(crate) name: String,
    /// The pool that the worker serves, if workers are in pools.
    pub(crate) pool: Option<String>,
    pub(crate) self_test: Arc<dyn SelfTest>,
}

impl Machine {
    /// The machine called `name`: the name of the host, or of the worker if it has one. Worker processes of the same
    /// machine share it.
    pub fn new(name: impl Into<String>, self_test: Arc<dyn SelfTest>) -> Self {
        Self { name: name.into(), pool: None, self_test }
    }

    /// The same, in a pool: machines of other pools take none of its jobs.
    #[must_use]
    pub fn in_pool(self, pool: impl Into<String>) -> Self {
        Self { pool: Some(pool.into()), ..self }
    }
}

/// The faults of a machine, stored until one of its workers succeeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Faults {
    #[serde(deserialize_with = "known_version::<_, 1, { Faults::VERSION }>")]
    version: u32,
    /// How many workers ended by a fault of their own since the last success.
    pub(crate) count: u32,
    /// When the last of them ended: milliseconds since 1970, UTC, by the machine's own clock.
    last_ms: u64,
    /// The last error.
    pub(crate) error: String,
    /// A job that failed here. The next worker of the machine tests itself with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<Job>,
}

impl Faults {
    /// The version of the document that is written now.
    const VERSION: u32 = 2;

    /// `earlier` with one fault more.
    pub(crate) fn one_more(earlier: Option<Self>, error: String, job: Option<Job>, now_ms: u64) -> Self {
        let (count, before) = earlier.map_or((0, None), |earlier| (earlier.count, earlier.job));
        let job = job.or(before);
        Self { version: Self::VERSION, count: count.saturating_add(1), last_ms: now_ms, error, job }
    }

    /// How long the machine still waits before it takes jobs. A clock that was set back does not make the pause longer.
    pub(crate) fn remaining_pause(&self, now_ms: u64) -> Duration {
        let doublings = self.count.saturating_sub(1).min(16);
        let whole = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        whole.saturating_sub(Duration::from_millis(now_ms.saturating_sub(self.last_ms)))
    }
}

/// Marks that a machine starts a job that was lost before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trial {
    #[serde(deserialize_with = "known_version::<_, 1, { Trial::VERSION }>")]
    version: u32,
    /// When it started the job first: milliseconds since 1970, UTC, by its own clock.
    pub(crate) first_ms: u64,
    /// When it started the job last.
    pub(crate) last_ms: u64,
}

impl Trial {
    /// The version of the document that is written now.
    const VERSION: u32 = 2;

    /// The machine starts the job once more, after `earlier`.
    pub(crate) fn start(earlier: Option<Self>, now_ms: u64) -> Self {
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
            let next = Faults::one_more(faults, "no such folder".to_owned(), None, 1_000_000);
            pauses.push(next.remaining_pause(1_000_000).as_secs());
            faults = Some(next);
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
    }

    #[test]
    fn the_part_of_a_pause_that_has_passed_is_not_waited_again() {
        let faults = Faults::one_more(None, String::new(), None, 10_000);
        assert_eq!(faults.remaining_pause(11_500), Duration::from_millis(500));
        assert_eq!(faults.remaining_pause(90_000), Duration::ZERO);
        assert_eq!(faults.remaining_pause(5_000), Duration::from_secs(2), "the clock was set back");
    }
}
