//! Weights of layers against the layers that the adapters have.

use super::{Check, adapters::Seen};
use crate::{CheckError, problems::Place};
use jobs::{RecipeKey, layer_of};
use std::collections::BTreeSet;

impl Check<'_> {
    /// Names parameters that weigh a layer which no adapter updates. Their jobs would all fail.
    pub(super) fn layer_weights(&mut self, adapters: &[Seen]) {
        if adapters.len() < self.sweep.tasks.len() {
            // The layers of the others are not known here.
            return;
        }
        let layers: BTreeSet<usize> =
            adapters.iter().flat_map(|adapter| adapter.ranks.keys()).filter_map(|module| layer_of(module)).collect();
        for parameter in self.sweep.searches.iter().flat_map(|search| &search.parameters) {
            let key = &parameter.key;
            let Some((_, layer)) = RecipeKey::layer_of_weight(key) else { continue };
            // As it is written, since a merge compares the texts: `01` is no layer.
            if let Some(error) = unknown(layer, &layers) {
                self.problems.push(&Place::key(&format!("parameters.{key}")), None, &error);
            }
        }
    }
}

fn unknown(layer: &str, layers: &BTreeSet<usize>) -> Option<CheckError> {
    if layers.iter().any(|known| known.to_string() == layer) {
        return None;
    }
    let first = layers.first().copied().unwrap_or_default();
    let last = layers.last().copied().unwrap_or_default();
    Some(CheckError::Layer { layer: layer.to_owned(), first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_no_adapter_has_is_named_with_those_there_are() {
        let layers: BTreeSet<usize> = (0..12).collect();
        assert!(unknown("0", &layers).is_none() && unknown("11", &layers).is_none());
        let text = |layer: &str| unknown(layer, &layers).unwrap().to_string();
        assert_eq!(text("99"), "there is no layer `99`: the adapters update layers 0 to 11");
        assert_eq!(text("01"), "there is no layer `01`: the adapters update layers 0 to 11");
    }
}
