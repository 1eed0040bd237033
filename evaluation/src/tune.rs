//! Learned coefficients of task arithmetic: `W + Σ_t c_t B_t A_t`.
//!
//! A [`Tuner`] takes a [`GradientTower`](crate::GradientTower) with the factors of all tasks, and a few examples of each task
//! with its head. Each step takes a batch of every task, and moves the coefficients by Adam. A [`TuneState`] is all that a run
//! has come to: it can be written, read, and continued with the same numbers.

mod adam;
mod coefficients;
mod error;
mod guard;
mod loss;
mod order;
mod readout;
mod state;
mod tuner;

pub use coefficients::{Coefficient, CoefficientPlace};
pub use error::TuneError;
pub use guard::Check;
pub(crate) use loss::{Loss, Target, loss, shares};
pub(crate) use order::{batch, shuffled};
pub use readout::Readout;
pub use state::TuneState;
pub use tuner::{TuneTask, Tuner};
