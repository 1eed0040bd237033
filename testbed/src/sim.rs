//! A simulated sweep: inputs that are made up, scores from a formula, and jobs that are poison to their workers.

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
