//! Search strategies, publishing, following results, resume.
//!
//! [`freeze`] turns a sweep into a [`Frozen`] one, whose inputs have digests, so that its jobs have identities.
//! [`strategy`] says what a search wants, [`Course`] what the whole sweep wants, both as pure functions of what is
//! known; [`Coordinator::run`] is the shell that publishes, follows the store and decides nothing. The coordinator keeps no state
//! of its own: killed anywhere and started again, it goes on from what the store holds.

mod clock;
mod compaction;
mod counting;
mod course;
mod error;
mod event;
mod freeze;
mod frozen;
mod judge;
mod lookup;
mod parts;
mod revision;
mod run;
pub mod strategy;
mod survey;
#[cfg(test)]
mod testing;

pub use course::{Answer, Course, Memory, Phase, Recall, Recorded, Step, Wanted, bound};
pub use error::{CoordinatorError, RecordedError};
pub use event::{Counts, Ended, Event, Report};
pub use freeze::{FreezeError, freeze};
pub use frozen::{Frozen, FrozenError};
pub use lookup::Retry;
pub use revision::{Earlier, Revised, is_at_work};
pub use run::{Coordinator, DEFAULT_BRAKE, OUTCOME, Settings, Stopped};
pub use survey::{Resume, Survey, repair, so_far, stored_jobs, survey};
