//! Finds what the jobs of a sweep would fail on, before anything is computed or fetched.
//!
//! [`check_inputs`] checks everything that is on this machine: the headers of the base, all that adapters and heads
//! hold, and of data all labels and the formats of images. Of inputs elsewhere it reads small files and headers. It
//! collects [`Problems`], so that a person sees all of them at once.
//!
//! Nothing here prints, fetches weights or knows a store.

mod check;
mod error;
mod memory;
mod problems;
mod residency;

pub use check::{
    Checked, Computing, Download, ImageRoom, USUAL_IMAGE_BYTES, check_inputs, check_other_splits, check_prompts,
};
pub use error::{CheckError, HeadProblem};
pub use memory::{MemoryNeed, MemoryNeeds};
pub use problems::{Problem, Problems, SweepLines};
pub use residency::{DeviceData, HeldAs, HeldSplit, Residency};
