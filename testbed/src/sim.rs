//! A simulated sweep: simulated inputs, scores from a formula, and poison jobs.

mod compute;
mod formula;
mod input;
mod poison;
mod sweep;

pub use compute::{Simulation, undisturbed};
pub use formula::computed;
pub use input::SimInput;
pub use poison::Poison;
pub use sweep::SweepSpec;
