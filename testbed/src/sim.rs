//! A simulated sweep: simulated inputs, scores from a formula, poison jobs, and devices that take the time of real ones.

mod compute;
mod device;
mod formula;
mod input;
mod poison;
mod sweep;

pub use compute::{Simulation, undisturbed};
pub use device::{JobCost, SimulatedCard, SimulatedDevice, UnknownCard, Workload};
pub use formula::computed;
pub use input::SimInput;
pub use poison::Poison;
pub use sweep::SweepSpec;
