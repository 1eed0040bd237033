//! What a person should know of inputs that jobs do not fail on, beyond a single input: notes of single inputs stand beside their
//! checks.

use super::adapters::Seen;
use jobs::InputRef;
use merging::origin_notes;

/// Notes on the adapters side by side, and on the base that they are merged into.
pub(super) fn of(adapters: &[Seen], base: &InputRef) -> Vec<String> {
    let origins: Vec<_> = adapters.iter().map(|adapter| adapter.origin.clone()).collect();
    let hub = match base {
        InputRef::Hub(hub) => Some(hub.repository.as_str()),
        InputRef::S3(_) | InputRef::Path(_) | InputRef::Artefact(_) => None,
    };
    origin_notes(&origins, hub)
}
