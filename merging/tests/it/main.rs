//! What the crate promises: parity with the reference, laws of every step, and errors a person can act on.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

mod alignment;
mod comparison;
mod contradictions;
mod dc;
mod fixtures;
mod full_model;
mod goldens;
mod kinds;
mod knots_directions;
mod layouts;
mod matrixwise;
mod method_goldens;
mod methods;
mod names;
mod nli6;
mod origins;
mod output;
mod pickles;
mod post_steps;
mod reading;
mod steps;
mod tsv;
