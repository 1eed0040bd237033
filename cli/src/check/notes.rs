//! What a person should know of inputs that jobs do not fail on, beyond a single input: notes of single inputs stand beside their
//! checks.

use super::adapters::Seen;

/// Notes on the adapters side by side.
pub(super) fn of(_adapters: &[Seen]) -> Vec<String> {
    Vec::new()
}
