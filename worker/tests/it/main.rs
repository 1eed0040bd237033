//! The worker between a queue and a store, with a computation that a test directs.

mod fake;
mod goldens;
mod life;
