//! What a person should know of inputs that jobs do not fail on, beyond a single input: notes of single inputs stand beside their
//! checks.

use jobs::Task;
use merging::Adapter;

/// Notes on the adapters side by side.
pub(super) fn of(_adapters: &[(&Task, Adapter)]) -> Vec<String> {
    Vec::new()
}
