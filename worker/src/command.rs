//! Commands of the user: runs one in a folder of its own, within limits, and reads what it wrote. Nothing here knows a job.

mod environment;
mod error;
mod folder;
mod group;
mod live;
mod output;
mod process;
mod tail;

pub use environment::CommandSettings;
pub(crate) use environment::Variables;
pub use error::{CommandError, OutputFault};
pub(crate) use folder::{CommandFolder, Placed};
pub use live::end_commands;
pub(crate) use output::{Wanted, read_scores};
pub(crate) use process::{Interrupted, Process};
