//! Search strategies, publishing, following results, resume.
//!
//! [`freeze`] turns a sweep into a [`Frozen`] one, whose inputs have digests, so that its jobs have ids. [`strategy`]
//! decides what a search needs next, and [`SweepPlan`] what the whole sweep needs. Both are pure functions of the known
//! results. [`Coordinator::run`] executes the decisions: it publishes jobs and follows the store. The coordinator has
//! no state of its own: after a crash, the next run resumes from what the store holds.

mod chains;
mod clock;
mod compaction;
mod consistency;
mod counting;
mod error;
mod event;
mod freeze;
mod frozen;
mod listing;
mod lookup;
mod parts;
mod plan;
mod race;
mod resume;
mod revision;
mod run;
mod stop_reason;
mod stored_jobs;
pub mod strategy;
mod survey;
#[cfg(test)]
mod testing;

pub use error::{CoordinatorError, RecordedError};
pub use event::{Counts, Ended, Event, RunEnd};
pub use freeze::{FreezeError, freeze};
pub use frozen::{Frozen, FrozenError, TrainingError};
pub use lookup::Retry;
pub use plan::{Completion, KnownResults, Loaded, NextJobs, Phase, PlannedJob, Recorded, SweepPlan, bound};
pub use resume::{Resume, Survey};
pub use revision::{PreviousRevision, SweepRevision, is_active};
pub use run::{Coordinator, DEFAULT_FAILURE_STREAK, OUTCOME, Settings};
pub use stop_reason::StopReason;
pub use stored_jobs::StoredJobs;
pub use survey::{points_ahead, repair, so_far, stored_jobs, survey};
