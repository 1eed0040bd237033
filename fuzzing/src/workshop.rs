//! Fuzzing for long: a parent that keeps what went wrong, and children whose memory and time are bounded.

mod child;
mod parent;
mod tally;

pub use child::{Order, work};
pub use parent::{Workshop, run};
pub use tally::Tally;
