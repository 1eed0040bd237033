//! The binary as a person or a script meets it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here should stop at once")]

mod adapters;
mod bad_input;
mod bowline;
mod sweeps;
