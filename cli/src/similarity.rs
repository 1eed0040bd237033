//! How alike the updates of a sweep's adapters act on the same inputs, as `bowline check --similarity` measured it.

use crate::{analysed::Analysed, terminal};
use analysis::{Chart, Table};
use jobs::{Manifest, Outcome, Similarity};
use store::{Revision, Store, StoreError};

/// Adds its table and its heat maps to a sweep, if it was measured for the inputs of the sweep. What cannot be read is a
/// warning.
pub(crate) async fn add(store: &Store, sweep: &mut Analysed) {
    match stored(store, &sweep.outcome).await {
        Ok(Some(similarity)) => {
            sweep.tables.push(Table::similarity(&similarity));
            sweep.other_charts.extend(Chart::similarity(&similarity));
        }
        Ok(None) => {}
        Err(error) => terminal::note(format_args!("warning: {}", jobs::error_line(&error))),
    }
}

async fn stored(store: &Store, outcome: &Outcome) -> Result<Option<Similarity>, StoreError> {
    let manifest: Option<Manifest> = store.revision(Revision::of(&outcome.sweep, outcome.revision)).await?;
    match manifest.and_then(|manifest| manifest.similarity_inputs()) {
        Some(inputs) => store.similarity(&inputs).await,
        None => Ok(None),
    }
}
