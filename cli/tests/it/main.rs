//! The binary as a person or a script meets it.

mod adapters;
mod bad_input;
mod bowline;
mod sweeps;
