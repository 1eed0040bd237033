//! Notes on several inputs together. Notes on a single input lie beside its check.

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
