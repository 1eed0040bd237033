//! The worker between a queue and a store, with a computation that a test directs.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

mod ahead;
mod buckets;
mod engine;
mod fake;
mod goldens;
mod in_use;
mod life;
mod machines;
mod nli6;
mod precision;
mod requests;
mod slices;
mod statistics;
mod texts;
mod train;
mod tune;
mod write;
